"""Validation: what is wrong with a resource, every fault with its place and what would be right."""

from fhir_server.validation.structure import Validator

__all__ = ["Validator"]
