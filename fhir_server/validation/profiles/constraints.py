"""What a profile demands of one value by itself: type, fixed value, binding, invariants.

Only what it adds to what R4 demands of every resource.
https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from fhir_server.fhir.definitions import Definitions, Element, Invariant
from fhir_server.validation.faults import Faults
from fhir_server.validation.profiles.bindings import MAX_VALUE_SET, Binding, Members
from fhir_server.validation.profiles.checks import Test
from fhir_server.validation.profiles.items import Item, node
from fhir_server.validation.profiles.library import CORE, split
from fhir_server.validation.profiles.profile import Profile
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.slicing import Trees
from fhir_server.validation.profiles.targets import check_target
from fhir_server.validation.profiles.tree import Branch, type_code
from fhir_server.validation.profiles.values import equals, fits
from fhir_server.validation.rule import Rule

__all__ = ["Constraints", "Profiles"]


class Profiles(Trees, Protocol):
    """Where other profiles are found."""

    def profile(self, url: str) -> Profile | None: ...


class Constraints:
    """Makes the checks of single values."""

    def __init__(self, definitions: Definitions, members: Members, profiles: Profiles) -> None:
        self._definitions = definitions
        self._members = members
        self._profiles = profiles
        self._known = frozenset(
            (one.key, one.expression) for found in definitions.invariants.values() for one in found
        )
        self._keys = frozenset(key for key, _ in self._known)

    def of(self, branch: Branch, element: Element | None) -> Iterable[Test]:
        """The checks of a value; `element` is what R4 says of it, None for a profile's root."""
        yield from self._of_type(branch, element)
        if branch.given is not None:
            yield _given(*branch.given)
        yield from self._bindings(branch, element)
        for rule in self._rules(branch):
            yield _invariant(rule)

    def _of_type(self, branch: Branch, element: Element | None) -> Iterable[Test]:
        """Narrower types, their profiles, and the targets of references."""
        if element is None or "contentReference" in branch.element:
            return
        types = branch.element.get("type", ())
        codes = frozenset(type_code(one) for one in types)
        if element.choice and codes and len(codes) < len(element.types):
            yield _one_type(codes)
        for one in types:
            profiles = [url for url in one.get("profile", ()) if not _is_plain(url)]
            if profiles and one["code"] != "Extension":
                yield self._one_profile(type_code(one), profiles)
            targets = one.get("targetProfile", ())
            if one["code"] == "Reference" and targets and f"{CORE}Resource" not in targets:
                known = {split(url)[0].rpartition("/")[2] for url in targets}
                if any(not _is_plain(url) for url in targets) or known != set(element.targets):
                    yield check_target(targets, self._profiles)

    def _one_profile(self, code: str, urls: list[str]) -> Test:
        is_resource = code in ("Resource", "DomainResource") or self._definitions.is_resource(code)

        def test(item: Item, run: Run) -> Faults:
            if not is_resource and item.code != code:
                return None
            if len(urls) == 1:
                profile = self._profiles.profile(urls[0])
                if profile is None:
                    return None
                if not self._definitions.is_a(item.code, profile.type):
                    text = f"must be a {profile.type} ({urls[0]}), not a {item.code}"
                    return run.fault("structure", text)
                return profile.test(item, run)
            if any(self._profiles.conforms(item, url, run) is not False for url in urls):
                return None
            return run.fault("structure", f"must conform to one of {', '.join(urls)}")

        return test

    def _bindings(self, branch: Branch, element: Element | None) -> Iterable[Test]:
        binding = branch.element.get("binding", {})
        url, strength = binding.get("valueSet"), binding.get("strength")
        known = element.binding if element is not None else None
        if url and strength == "required" and split(url)[0] != known:
            yield Binding(self._members, url, "error")
        elif url and strength == "extensible":
            yield Binding(self._members, url, "warning")
        for extension in binding.get("extension", ()):
            if extension.get("url") == MAX_VALUE_SET:
                most = extension.get("valueCanonical") or extension.get("valueUri")
                if most:
                    yield Binding(self._members, most, "error")

    def _rules(self, branch: Branch) -> list[Rule]:
        return [
            Rule(Invariant(one["key"], one["severity"], one["human"], one["expression"]))
            for one in branch.element.get("constraint", ())
            if one.get("expression") and not self._is_known(one)
        ]

    def _is_known(self, constraint: dict[str, Any]) -> bool:
        """Whether it is one of R4's own, which are checked of every resource."""
        key = constraint["key"]
        if (key, constraint["expression"]) in self._known:
            return True
        return key in self._keys and constraint.get("source", "").startswith(CORE)


def _is_plain(url: str) -> bool:
    """Whether a canonical is of a type of R4 itself, about which nothing new is to be checked."""
    plain = split(url)[0]
    return plain.startswith(CORE) and plain[len(CORE) :][:1].isupper()


def _given(kind: str, wanted: Any) -> Test:
    same = equals if kind == "fixed" else fits

    def test(item: Item, run: Run) -> Faults:
        if item.value is None or same(item.value, wanted):
            return None
        word = "be" if kind == "fixed" else "have"
        return run.fault("value", f"must {word} {_short(wanted)}")

    return test


def _short(value: Any) -> str:
    text = repr(value) if type(value) in (dict, list) else str(value)
    return text if len(text) <= 200 else f"{text[:196]}..."


def _one_type(codes: frozenset[str]) -> Test:
    def test(item: Item, run: Run) -> Faults:
        if item.code in codes:
            return None
        return run.fault("structure", f"must be of type {' or '.join(sorted(codes))}")

    return test


def _invariant(rule: Rule) -> Test:
    return lambda item, run: rule(node(item, run.container), run)
