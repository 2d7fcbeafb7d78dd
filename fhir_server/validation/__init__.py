"""Validation: what is wrong with a resource, every fault with its place and what would be right."""

from fhir_server.validation.validator import FOLLOWED, Validator

__all__ = ["FOLLOWED", "Validator"]
