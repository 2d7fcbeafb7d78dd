"""A FHIR R4 server that keeps people's health records under their own control."""

__version__ = "0.1.0"
