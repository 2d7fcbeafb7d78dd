"""FHIR R4 itself: definitions, codec, primitives, FHIRPath, patches. Pure but for its own data."""
