"""Profiles compiled to checks: each once, with only what it adds to what R4 itself demands.

https://hl7.org/fhir/R4/profiling.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.errors import FhirError, Issue, Unprocessable
from fhir_server.fhir.definitions import Definitions, Element, Invariant, TypeDefinition
from fhir_server.fhir.fhirpath import FhirPathError
from fhir_server.validation.faults import Faults, above
from fhir_server.validation.invariants import Rule
from fhir_server.validation.profiles.bindings import MAX_VALUE_SET, Binding, Members
from fhir_server.validation.profiles.items import Item, gatherer, node
from fhir_server.validation.profiles.library import CORE, Library, split
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.slices import Group, Slice
from fhir_server.validation.profiles.slicing import matcher
from fhir_server.validation.profiles.snapshot import make_snapshot
from fhir_server.validation.profiles.targets import check_target
from fhir_server.validation.profiles.tree import Branch, grow
from fhir_server.validation.profiles.values import equals, fits

__all__ = ["Compiler", "Profile"]

Json = dict[str, Any]
Test = Callable[[Item, Run], Faults]
"""One value of an element -> faults, their places below that value."""
Look = Callable[[Json, Run], Faults]
"""An object -> the faults of one of its elements."""


class Profile:
    """A profile ready to run. `must_support` are the ids of the elements that say so."""

    __slots__ = ("must_support", "test", "type", "url")

    def __init__(self, url: str, type_: str, must_support: tuple[str, ...], test: Test) -> None:
        self.url = url
        self.type = type_
        self.must_support = must_support
        self.test = test


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
        self._known = frozenset(
            (one.key, one.expression) for found in definitions.invariants.values() for one in found
        )
        self._keys = frozenset(key for key, _ in self._known)

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
            test = self.test(tree, None, url) or _nothing
        except FhirPathError as error:
            self.faulty[url] = str(error)
            return None
        wanted = tuple(b.id for b in _all(tree) if b.element.get("mustSupport"))
        return Profile(url, type_, wanted, test)

    def test(self, branch: Branch, element: Element | None, url: str) -> Test | None:
        """What a profile demands of one value of an element; None where it adds nothing.

        `element` is what R4 says of it, None for the root of a profile.
        """
        tests: list[Test] = []
        tests += self._of_type(branch, element)
        given = branch.given
        if given is not None:
            tests.append(_given(*given))
        tests += self._bindings(branch, element)
        tests += [_invariant(rule) for rule in self._rules(branch)]
        inner = self._inner(branch, element, url)
        if inner is not None:
            tests.append(inner)
        if not tests:
            return None
        return tests[0] if len(tests) == 1 else _every(tests)

    def _of_type(self, branch: Branch, element: Element | None) -> Iterable[Test]:
        """Narrower types, their profiles, and the targets of references."""
        if element is None or "contentReference" in branch.element:
            return
        types = branch.element.get("type", ())
        codes = frozenset(_code(one) for one in types)
        if element.choice and codes and len(codes) < len(element.types):
            yield _one_type(codes)
        for one in types:
            profiles = [url for url in one.get("profile", ()) if not _is_plain(url)]
            if profiles and one["code"] != "Extension":
                yield self._one_profile(_code(one), profiles)
            targets = one.get("targetProfile", ())
            if one["code"] == "Reference" and targets and f"{CORE}Resource" not in targets:
                known = {split(url)[0].rpartition("/")[2] for url in targets}
                if any(not _is_plain(url) for url in targets) or known != set(element.targets):
                    yield check_target(targets, self)

    def _one_profile(self, code: str, urls: list[str]) -> Test:
        is_resource = code in ("Resource", "DomainResource") or self.definitions.is_resource(code)

        def test(item: Item, run: Run) -> Faults:
            if not is_resource and item.code != code:
                return None
            if len(urls) == 1:
                profile = self.profile(urls[0])
                if profile is None:
                    return None
                if not self.definitions.is_a(item.code, profile.type):
                    text = f"must be a {profile.type} ({urls[0]}), not a {item.code}"
                    return run.fault("structure", text)
                return profile.test(item, run)
            if any(self.conforms(item, url, run) is not False for url in urls):
                return None
            return run.fault("structure", f"must conform to one of {', '.join(urls)}")

        return test

    def _bindings(self, branch: Branch, element: Element | None) -> Iterable[Test]:
        binding = branch.element.get("binding", {})
        url, strength = binding.get("valueSet"), binding.get("strength")
        known = element.binding if element is not None else None
        if url and strength == "required" and split(url)[0] != known:
            yield Binding(self.members, url, "error")
        elif url and strength == "extensible":
            yield Binding(self.members, url, "warning")
        for extension in binding.get("extension", ()):
            if extension.get("url") == MAX_VALUE_SET:
                most = extension.get("valueCanonical") or extension.get("valueUri")
                if most:
                    yield Binding(self.members, most, "error")

    def _rules(self, branch: Branch) -> list[Rule]:
        return [
            Rule(Invariant(one["key"], one["severity"], one["human"], one["expression"]))
            for one in branch.element.get("constraint", ())
            if one.get("expression") and not self._is_known(one)
        ]

    def _is_known(self, constraint: Json) -> bool:
        """Whether it is one of R4's own, which are checked of every resource."""
        key = constraint["key"]
        if (key, constraint["expression"]) in self._known:
            return True
        return key in self._keys and constraint.get("source", "").startswith(CORE)

    def _inner(self, branch: Branch, element: Element | None, url: str) -> Test | None:
        """What is demanded of the children, compiled for each type that a value turns out to be."""
        if not branch.children:
            return None
        looks: dict[str, list[Look]] = {}
        if element is None or not element.choice:
            code = branch.element["path"] if element is None else element.content
            code = code or (_code(branch.element["type"][0]) if branch.types else "")
            if code in self.definitions.types and code != "Resource":
                looks[code] = self._looks(branch, self.definitions.types[code], url)
                if not looks[code]:
                    return None

        def test(item: Item, run: Run) -> Faults:
            found = looks.get(item.code)
            if found is None:
                found = looks[item.code] = self._looks(
                    branch, self.definitions.types[item.code], url
                )
            value = item.value if type(item.value) is dict else item.extra
            if type(value) is not dict:
                return None
            faults: Faults = None
            for look in found:
                faults = _add(faults, look(value, run))
            return faults

        return test

    def _looks(self, branch: Branch, holder: TypeDefinition, url: str) -> list[Look]:
        found = []
        for child in branch.children.values():
            element = holder.elements.get(child.name)
            if element is None:
                continue
            if holder.kind == "primitive-type" and child.name == "value":
                continue
            look = self._element(child, element, url)
            if look is not None:
                found.append(look)
        return found

    def _element(self, branch: Branch, element: Element, url: str) -> Look | None:
        """The check of all values of one element: how many, each of them, and its slices."""
        least, most = _counts(branch)
        least = least if least > element.min else 0
        if most is not None and element.max is not None and most >= element.max:
            most = None
        single = self.test(branch, element, url)
        group = self._slices(branch, element, url)
        if not least and most is None and single is None and group is None:
            return None
        gather = gatherer(self.definitions, element)
        name = f".{element.name}"

        def look(owner: Json, run: Run) -> Faults:
            items = gather(owner)
            faults: Faults = None
            if len(items) < least:
                text = (
                    f"{element.name} is required by {url}"
                    if not items
                    else f"{url} demands {least} of {element.name}, not {len(items)}"
                )
                faults = _add(faults, run.fault("required", text, name))
            elif most is not None and len(items) > most:
                text = f"{url} allows {most or 'no'} {element.name}, not {len(items)}"
                faults = _add(faults, run.fault("structure", text, name))
            if single is not None:
                for item in items:
                    faults = _add(faults, _below(single(item, run), item))
            return faults if group is None else _add(faults, group.check(items, run))

        return look

    def _slices(self, branch: Branch, element: Element, url: str) -> Group | None:
        slicing = branch.element.get("slicing", {})
        rules = slicing.get("rules", "open")
        if not branch.slices and rules != "closed":
            return None
        found = []
        for one in branch.slices:
            least, most = _counts(one)
            match = matcher(one, slicing.get("discriminator", []), self)
            test = self.test(one, element, url)
            if match is None:
                match = self._fitting(test)
            inner = self._slices(one, element, url)
            found.append(Slice(one.slice, least, most, match, test, inner))
        if rules == "open" and not slicing.get("ordered") and not any(map(_demands, found)):
            return None
        return Group(element.name, url, rules, bool(slicing.get("ordered")), tuple(found))

    def _fitting(self, test: Test | None) -> Callable[[Item, Run], bool]:
        """Where discriminators do not tell, a value is of the slice whose content it has."""

        def match(item: Item, run: Run) -> bool:
            faults = test(item, run.aside()) if test is not None else None
            return not any(fault.severity == "error" for fault in faults or ())

        return match


def _demands(one: Slice) -> bool:
    return bool(one.min or one.max is not None or one.test or one.inner)


def _counts(branch: Branch) -> tuple[int, int | None]:
    most = branch.element.get("max", "*")
    return branch.element.get("min", 0), None if most == "*" else int(most)


def _code(type_: Json) -> str:
    """The type's name; primitives of FHIRPath are FHIR's strings."""
    code: str = type_["code"]
    return "string" if code.startswith("http://hl7.org/fhirpath/") else code


def _is_plain(url: str) -> bool:
    """Whether a canonical is of a type of R4 itself, about which nothing new is to be checked."""
    plain = split(url)[0]
    return plain.startswith(CORE) and plain[len(CORE) :][:1].isupper()


def _all(branch: Branch) -> Iterable[Branch]:
    yield branch
    for inner in (*branch.children.values(), *branch.slices):
        yield from _all(inner)


def _nothing(item: Item, run: Run) -> Faults:
    return None


def _every(tests: list[Test]) -> Test:
    def test(item: Item, run: Run) -> Faults:
        faults: Faults = None
        for one in tests:
            faults = _add(faults, one(item, run))
        return faults

    return test


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


def _below(faults: Faults, item: Item) -> Faults:
    return None if faults is None else above(faults, item.step)


def _add(faults: Faults, found: Faults) -> Faults:
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found
