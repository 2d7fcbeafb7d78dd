"""Loading files of FHIR resources into this server's store, or into any server over HTTP."""
