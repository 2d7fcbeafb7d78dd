"""Profiles: StructureDefinitions found, their snapshots made, compiled once each to checks."""
