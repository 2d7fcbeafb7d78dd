"""The face of validation: what is wrong with a resource, from its structure to its profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fhir_server.errors import Issue
from fhir_server.fhir.definitions import Definitions
from fhir_server.fhir.elements import NONE, Elements
from fhir_server.validation.advice import advice
from fhir_server.validation.invariants import Invariants
from fhir_server.validation.known import Known
from fhir_server.validation.native import NATIVE
from fhir_server.validation.profiles import library as profiles
from fhir_server.validation.profiles.checker import Checker
from fhir_server.validation.profiles.compiler import Compiler
from fhir_server.validation.profiles.extensions import Extensions
from fhir_server.validation.profiles.members import LiveMembers
from fhir_server.validation.structure import Structure

__all__ = ["FOLLOWED", "Validator", "has_errors"]

FOLLOWED = ("StructureDefinition", "ValueSet", "CodeSystem")
"""Types of the resources that validation goes by."""


class Validator:
    """Validates resources as decoded from JSON. Safe to share: validating changes nothing in it.

    `unknown_profile` is the severity of a claim to a profile that is not known; `demanded` has by
    type the profiles of which every resource must conform to one.
    """

    def __init__(
        self,
        definitions: Definitions,
        library: profiles.Library | None = None,
        *,
        unknown_profile: str = "warning",
        demanded: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.definitions = definitions
        self.library = library or profiles.load()
        self._members = LiveMembers()
        self._structure = Structure(definitions)
        self.compiler = Compiler(definitions, self.library, self._members, self._structure.check)
        extensions = Extensions(definitions, self.compiler)
        told = advice(self._members.displays)
        self._invariants = Invariants(definitions, extended=extensions, native=told)
        self._demands = Invariants(definitions, ("error",), extensions, NATIVE)
        self._known = Known(self._structure, self._demands)
        self._checker = Checker(self.compiler, unknown_profile, demanded)

    def put(self, id_: str, raw: bytes) -> None:
        """Take in a StructureDefinition, ValueSet or CodeSystem; `id_` is `Type/id`.

        It takes the place of what was taken in under the id before.
        """
        if id_.startswith("StructureDefinition/"):
            self.library.put(id_, raw)
        else:
            self._members.put(id_, raw)

    def drop(self, id_: str) -> None:
        """Forget what was taken in under an id."""
        self.library.drop(id_)
        self._members.drop(id_)

    def structure(self, resource: Any, lenient: bool = False) -> list[Issue]:
        """All structural faults, in document order; [] where there is none.

        At most 200 of them, then one that says that there are more. `lenient` is for records
        that come from elsewhere as they are: a reference to a type that the element does not
        allow and an empty narrative, which R4's own examples have, are then warnings.
        """
        return self._structure.check(resource, lenient)

    def errors(
        self, resource: Any, lenient: bool = False, elements: Elements = NONE
    ) -> list[Issue]:
        """What a write is refused for: structure, and where that is right invariants and profiles.

        Rules that only advise (dom-6) are not evaluated at all; of a lenient check the warnings
        come along. What is known of the resource's `elements` is not looked at again.
        """
        if elements and self._known.is_right(resource, elements):
            return self._checker.check(resource, quiet=True)
        found = self._structure.check(resource, lenient)
        if has_errors(found):
            return found
        return found + self._demands.check(resource) + self._checker.check(resource, quiet=True)

    def validate(
        self, resource: Any, lenient: bool = False, profiles: Sequence[str] = ()
    ) -> list[Issue]:
        """Everything that there is to say: as `errors`, with what only warns.

        `profiles` are checked beside those that the resource claims.
        """
        found = self._structure.check(resource, lenient)
        if has_errors(found):
            return found
        found += self._invariants.check(resource)
        return found + self._checker.check(resource, profiles)


def has_errors(issues: Sequence[Issue]) -> bool:
    """Whether one of the issues is an error."""
    return any(issue.severity in ("error", "fatal") for issue in issues)
