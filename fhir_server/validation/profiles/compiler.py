"""Profiles compiled to checks: each once, with only what it adds to what R4 itself demands.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.errors import FhirError, Issue, Unprocessable
from fhir_server.fhir.definitions import Definitions
from fhir_server.fhir.fhirpath import FhirPathError
from fhir_server.validation.faults import Faults
from fhir_server.validation.profiles.bindings import Members
from fhir_server.validation.profiles.constraints import Constraints
from fhir_server.validation.profiles.elements import Elements
from fhir_server.validation.profiles.items import Item
from fhir_server.validation.profiles.library import Library
from fhir_server.validation.profiles.profile import Profile
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.snapshot import make_snapshot
from fhir_server.validation.profiles.tree import Branch, grow

__all__ = ["Compiler"]

Json = dict[str, Any]


class Compiler:
    """Compiles profiles of a library. Safe to share; anew when the library changes."""

    def __init__(
        self,
        definitions: Definitions,
        library: Library,
        members: Members,
        structure: Callable[[Json], list[Issue]],
    ) -> None:
        """`structure` says what is wrong with the form of a definition: such ones are not used."""
        self.definitions = definitions
        self._structure = structure
        self.library = library
        self.members = members
        self._seen = library.changes
        self._profiles: dict[str, Profile | None] = {}
        self._trees: dict[str, Branch | None] = {}
        self.faulty: dict[str, str] = {}
        """Profile -> why it cannot be compiled."""
        self._elements = Elements(definitions, Constraints(definitions, members, self), self)

    def profile(self, url: str) -> Profile | None:
        """The profile of a canonical URL; None where it is not known or cannot be compiled."""
        if self._seen != self.library.changes:
            self._seen = self.library.changes
            self._profiles.clear()
            self._trees.clear()
            self.faulty.clear()
        if url not in self._profiles:
            self._profiles[url] = None  # so that a profile may mention itself
            self._profiles[url] = self._compile(url)
        return self._profiles[url]

    def tree(self, url: str) -> Branch | None:
        """The elements of a profile; None where it is not known or has no snapshot."""
        if url not in self._trees:
            definition = self.library.find(url)
            self._trees[url] = None
            if definition is not None:
                try:
                    self._trees[url] = self._grow(definition)
                except FhirError as error:
                    self.faulty[url] = str(error)
        return self._trees[url]

    def _grow(self, definition: Json) -> Branch:
        for issue in self._structure(definition):
            if issue.severity == "error":
                place = ", ".join(issue.expression)
                raise Unprocessable(f"{place}: {issue.diagnostics}")
        return grow(make_snapshot(definition, self.library.find))

    def conforms(self, item: Item, url: str, run: Run) -> bool | None:
        """Whether a value has no errors against a profile; None where that is not known."""
        profile = self.profile(url)
        if profile is None:
            return None
        if profile.type != item.code and not self.definitions.is_a(item.code, profile.type):
            return False
        key = (id(item.value), url)
        known = run.answers.get(key)
        if known is None:
            run.answers[key] = True
            faults = profile.test(item, run.aside())
            known = run.answers[key] = not any(f.severity == "error" for f in faults or ())
        return known

    def _compile(self, url: str) -> Profile | None:
        tree = self.tree(url)
        if tree is None:
            return None
        type_ = tree.element["path"]
        if type_ not in self.definitions.types:
            self.faulty[url] = f"{type_} is no type of R4"
            return None
        try:
            test = self._elements.test(tree, None, url) or _nothing
        except FhirPathError as error:
            self.faulty[url] = str(error)
            return None
        wanted = tuple(b.id for b in _all(tree) if b.element.get("mustSupport"))
        return Profile(url, type_, wanted, test)


def _all(branch: Branch) -> Iterable[Branch]:
    yield branch
    for inner in (*branch.children.values(), *branch.slices):
        yield from _all(inner)


def _nothing(item: Item, run: Run) -> Faults:
    return None
