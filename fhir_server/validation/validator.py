"""The face of validation: what is wrong with a resource, from its structure to its profiles."""

from __future__ import annotations

from typing import Any

from fhir_server.errors import Issue
from fhir_server.fhir.definitions import Definitions
from fhir_server.validation.invariants import Invariants
from fhir_server.validation.structure import Structure

__all__ = ["Validator"]


class Validator:
    """Validates resources as decoded from JSON. Safe to share: validating changes nothing in it."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self._structure = Structure(definitions)
        self._invariants = Invariants(definitions)
        self._demands = Invariants(definitions, ("error",))

    def structure(self, resource: Any, lenient: bool = False) -> list[Issue]:
        """All structural faults, in document order; [] where there is none.

        At most 200 of them, then one that says that there are more. `lenient` is for records
        that come from elsewhere as they are: a reference to a type that the element does not
        allow and an empty narrative, which R4's own examples have, are then warnings.
        """
        return self._structure.check(resource, lenient)

    def errors(self, resource: Any, lenient: bool = False) -> list[Issue]:
        """What a write is refused for: structure, and where that is right the invariants.

        Rules that only advise (dom-6) are not evaluated at all; of a lenient check the warnings
        come along.
        """
        found = self._structure.check(resource, lenient)
        return found if has_errors(found) else found + self._demands.check(resource)

    def validate(self, resource: Any, lenient: bool = False) -> list[Issue]:
        """Everything that there is to say: as `errors`, with what only warns."""
        found = self._structure.check(resource, lenient)
        return found if has_errors(found) else found + self._invariants.check(resource)


def has_errors(issues: list[Issue]) -> bool:
    """Whether one of the issues is an error."""
    return any(issue.severity in ("error", "fatal") for issue in issues)
