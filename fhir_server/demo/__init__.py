"""Twelve made-up people with ten years of care, to try the server with.

Nobody here exists: names, numbers and addresses are invented, and identities carry the
demonstration roots of the French national health identifier only.
"""

from fhir_server.demo.bundles import bundles

__all__ = ["bundles"]
