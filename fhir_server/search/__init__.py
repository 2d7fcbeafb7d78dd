"""FHIR search: what a resource is found by, and what a request asks for."""
