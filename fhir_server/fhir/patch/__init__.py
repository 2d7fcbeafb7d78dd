"""Patches of resources: JSON Patch (RFC 6902) and FHIRPath Patch."""
