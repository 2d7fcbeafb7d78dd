"""What a profile demands of the elements of an object: how many, each of them, and their slices.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhir.definitions import Definitions, Element, TypeDefinition
from fhir_server.validation.faults import Faults, above
from fhir_server.validation.profiles.checks import Test, add, every
from fhir_server.validation.profiles.constraints import Constraints
from fhir_server.validation.profiles.items import Item, gatherer
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.slices import Group, Slice
from fhir_server.validation.profiles.slicing import Trees, matcher
from fhir_server.validation.profiles.tree import Branch, type_code

__all__ = ["Elements"]

Json = dict[str, Any]
Look = Callable[[Json, Run], Faults]
"""An object -> the faults of one of its elements."""


class Elements:
    """Makes the check of a value from its constraints and those of its children."""

    def __init__(self, definitions: Definitions, constraints: Constraints, trees: Trees) -> None:
        self._definitions = definitions
        self._constraints = constraints
        self._trees = trees

    def test(self, branch: Branch, element: Element | None, url: str) -> Test | None:
        """What a profile demands of one value of an element; None where it adds nothing.

        `element` is what R4 says of it, None for the root of a profile.
        """
        tests = list(self._constraints.of(branch, element))
        inner = self._inner(branch, element, url)
        if inner is not None:
            tests.append(inner)
        return every(tests)

    def _inner(self, branch: Branch, element: Element | None, url: str) -> Test | None:
        """What is demanded of the children, compiled for each type that a value turns out to be."""
        if not branch.children:
            return None
        looks: dict[str, list[Look]] = {}
        if element is None or not element.choice:
            code = branch.element["path"] if element is None else element.content
            code = code or (type_code(branch.element["type"][0]) if branch.types else "")
            if code in self._definitions.types and code != "Resource":
                looks[code] = self._looks(branch, self._definitions.types[code], url)
                if not looks[code]:
                    return None

        def test(item: Item, run: Run) -> Faults:
            found = looks.get(item.code)
            if found is None:
                found = looks[item.code] = self._looks(
                    branch, self._definitions.types[item.code], url
                )
            value = item.value if type(item.value) is dict else item.extra
            if type(value) is not dict:
                return None
            faults: Faults = None
            for look in found:
                faults = add(faults, look(value, run))
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
        gather = gatherer(self._definitions, element)
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
                faults = add(faults, run.fault("required", text, name))
            elif most is not None and len(items) > most:
                text = f"{url} allows {most or 'no'} {element.name}, not {len(items)}"
                faults = add(faults, run.fault("structure", text, name))
            if single is not None:
                for item in items:
                    faults = add(faults, _below(single(item, run), item))
            return faults if group is None else add(faults, group.check(items, run))

        return look

    def _slices(self, branch: Branch, element: Element, url: str) -> Group | None:
        slicing = branch.element.get("slicing", {})
        rules = slicing.get("rules", "open")
        if not branch.slices and rules != "closed":
            return None
        found = []
        for one in branch.slices:
            least, most = _counts(one)
            match = matcher(one, slicing.get("discriminator", []), self._trees)
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


def _below(faults: Faults, item: Item) -> Faults:
    return None if faults is None else above(faults, item.step)
