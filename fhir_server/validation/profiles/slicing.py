"""Discriminators: what tells which slice a value is of.

https://hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from fhir_server.fhir import fhirpath
from fhir_server.fhir.fhirpath import FhirPathError, Node
from fhir_server.validation.profiles.bindings import Members, is_member
from fhir_server.validation.profiles.items import Item, node
from fhir_server.validation.profiles.library import split
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.tree import Branch
from fhir_server.validation.profiles.values import equals, fits

__all__ = ["Match", "Trees", "matcher"]

Match = Callable[[Item, Run], bool]

_STEP = re.compile(r"(\$this|extension\('[^']*'\)|resolve\(\)|ofType\(\w+\)|\w+)\.?")


class Trees(Protocol):
    """What a discriminator needs of whoever compiles profiles."""

    members: Members

    def tree(self, url: str) -> Branch | None:
        """The tree of a profile; None where it is not known."""

    def conforms(self, item: Item, url: str, run: Run) -> bool | None:
        """Whether a value conforms to a profile; None where the profile is not known."""


def matcher(branch: Branch, discriminators: list[dict[str, str]], trees: Trees) -> Match | None:
    """Whether a value is of a slice; None where the discriminators do not say."""
    tests = [_matcher(branch, one["type"], one["path"], trees) for one in discriminators]
    known = [test for test in tests if test is not None]
    if not known:
        return None
    if len(known) == 1:
        return known[0]
    return lambda item, run: all(test(item, run) for test in known)


def _matcher(branch: Branch, type_: str, path: str, trees: Trees) -> Match | None:
    steps = [step for step in _STEP.findall(path) if step != "$this"]
    find = _finder(path, steps)
    pointing = bool(steps) and steps[-1] == "resolve()" and type_ in ("type", "profile")
    places = _locate(branch, steps[:-1] if pointing else steps, trees)
    if type_ == "exists":
        return _exists(places, find)
    if type_ == "type":
        codes = frozenset(code for place in places for code in _types(place, pointing, trees))
        return (lambda item, run: any(i.code in codes for i in find(item, run))) if codes else None
    if type_ == "profile":
        urls = [url for place in places for url in _profiles(place, pointing)]

        def conform(item: Item, run: Run) -> bool:
            found = find(item, run)
            return any(trees.conforms(i, url, run) is True for i in found for url in urls)

        return conform if urls else None
    tests = [test for test in (_test(place, trees) for place in places) if test is not None]
    if not tests:
        return None
    return lambda item, run: any(test(i) for i in find(item, run) for test in tests)


class Place:
    """Where a discriminator leads to: an element, or a part of a value given higher up."""

    __slots__ = ("branch", "given")

    def __init__(self, branch: Branch | None, given: Any = None) -> None:
        self.branch = branch
        self.given = given


def _locate(branch: Branch, steps: list[str], trees: Trees) -> list[Place]:
    places = [Place(branch)]
    for step in steps:
        places = [found for place in places for found in _step(place, step, trees)]
    return places


def _step(place: Place, step: str, trees: Trees) -> list[Place]:
    branch = place.branch
    if branch is None:
        return [Place(None, part) for part in _parts(place.given, step)]
    given = branch.given
    if step == "resolve()":
        found = [trees.tree(url) for url in branch.profiles("targetProfile")]
        return [Place(tree) for tree in found if tree is not None]
    if step.startswith("ofType("):
        return [place]
    if step.startswith("extension("):
        return _extension(branch, step[11:-2], trees)
    child = branch.children.get(step)
    if child is not None:
        inner = [c for c in child.slices if c.element.get("min")]
        return [Place(child), *(Place(c) for c in inner)]
    if given is not None:
        return [Place(None, part) for part in _parts(given[1], step)]
    trees_of = [trees.tree(url) for url in branch.profiles()]
    return [
        Place(tree.children[step])
        for tree in trees_of
        if tree is not None and step in tree.children
    ]


def _extension(branch: Branch, url: str, trees: Trees) -> list[Place]:
    child = branch.children.get("extension")
    found = []
    for one in child.slices if child is not None else ():
        fixed = one.children["url"].given if "url" in one.children else None
        if (fixed is not None and fixed[1] == url) or url in map(_url, one.profiles()):
            tree = None if one.children else trees.tree(url)
            found.append(Place(tree or one))
    if not found and not branch.children:
        for profile in branch.profiles():
            tree = trees.tree(profile)
            found += _extension(tree, url, trees) if tree is not None and tree.children else []
    return found


def _url(canonical: str) -> str:
    return split(canonical)[0]


def _parts(given: Any, step: str) -> list[Any]:
    values = given if type(given) is list else [given]
    found = [value[step] for value in values if type(value) is dict and step in value]
    return [part for one in found for part in (one if type(one) is list else [one])]


def _test(place: Place, trees: Trees) -> Callable[[Item], bool] | None:
    """Whether a value found is what the place demands."""
    if place.branch is None:
        pattern = place.given
        return lambda item: fits(item.value, pattern)
    given = place.branch.given
    if given is not None:
        kind, wanted = given
        if kind == "fixed":
            return lambda item: equals(item.value, wanted)
        return lambda item: fits(item.value, wanted)
    pattern = _implied(place.branch)
    if pattern is not None:
        return lambda item: fits(item.value, pattern)
    binding = place.branch.element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        url = binding["valueSet"]
        return lambda item: is_member(item, url, trees.members) is True
    return None


def _implied(branch: Branch) -> Any:
    """The pattern that the children's values come to; None where there is none."""
    found: dict[str, Any] = {}
    for child in branch.children.values():
        if child.slices and child.given is None:
            parts = [_demanded(one) for one in child.slices if one.element.get("min")]
            values = [part for part in parts if part is not None]
            if values:
                found[child.name] = values
            continue
        value = _demanded(child)
        if value is not None and child.element.get("min"):
            many = child.element.get("base", {}).get("max", "1") not in ("0", "1")
            found[child.name] = [value] if many and type(value) is not list else value
    return found or None


def _demanded(branch: Branch) -> Any:
    given = branch.given
    return given[1] if given is not None else _implied(branch)


def _types(place: Place, pointing: bool, trees: Trees) -> list[str]:
    branch = place.branch
    if branch is None:
        return []
    codes = list(branch.types)
    if pointing or codes in (["Resource"], []):
        found = [trees.tree(url) for url in _profiles(place, pointing)]
        codes = [tree.element["path"] for tree in found if tree is not None]
    return codes


def _profiles(place: Place, pointing: bool) -> list[str]:
    if place.branch is None:
        return []
    return place.branch.profiles("targetProfile" if pointing else "profile")


def _exists(places: list[Place], find: Callable[[Item, Run], list[Item]]) -> Match | None:
    for place in places:
        element = place.branch.element if place.branch is not None else {}
        if element.get("max") == "0":
            return lambda item, run: not find(item, run)
        if element.get("min"):
            return lambda item, run: bool(find(item, run))
    return None


def _finder(path: str, steps: list[str]) -> Callable[[Item, Run], list[Item]]:
    """The values at a discriminator's path."""
    if not steps:
        return lambda item, run: [item]
    if steps == ["url"]:
        return lambda item, run: [Item("uri", item.value.get("url"), None, "")]
    before = [i for i, step in enumerate(steps) if step == "resolve()"]
    compiled = fhirpath.compile(path)
    only_resolve = before == [len(steps) - 1]
    source = fhirpath.compile(".".join(steps[:-1]) or "$this") if only_resolve else None

    def find(item: Item, run: Run) -> list[Item]:
        root = node(item, run.container)
        try:
            found = compiled.items(root, None, run.resolve)
            if not found and source is not None:
                return [kind for each in source.items(root) for kind in _pointed(each)]
        except FhirPathError:
            return []
        return [
            Item(one.shape.name, one.value, one.extra, "") for one in found if type(one) is Node
        ]

    return find


def _pointed(reference: Any) -> list[Item]:
    """Of a reference that does not resolve, the type at least, with nothing in it."""
    value = reference.value if type(reference) is Node else None
    text = value.get("reference") if type(value) is dict else None
    if type(text) is str and "/" in text:
        name = text.partition("/_history/")[0].split("/")[-2]
        return [Item(name, {"resourceType": name}, None, "")]
    return []
