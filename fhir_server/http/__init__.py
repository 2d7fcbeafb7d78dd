"""The HTTP edge: bytes in, FhirRequest; FhirResponse, bytes out."""
