"""The elements of a snapshot as a tree: children by name, and the slices of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.errors import Unprocessable

__all__ = ["Branch", "grow", "type_code"]

Json = dict[str, Any]


class Branch:
    """One element of a profile with what is below it."""

    __slots__ = ("children", "element", "id", "name", "slice", "slices")

    def __init__(self, element: Json, name: str, slice_name: str) -> None:
        most = element.get("max", "*")
        if most != "*" and not most.isdecimal():
            raise Unprocessable(f"max of {element['id']} must be a number or *, not {most[:40]}")
        self.element = element
        self.id: str = element["id"]
        self.name = name
        """JSON name without the type suffix: `value` for `value[x]`."""
        self.slice = slice_name
        self.children: dict[str, Branch] = {}
        self.slices: list[Branch] = []

    @property
    def given(self) -> tuple[str, Any] | None:
        """(`fixed` or `pattern`, value) where the element has one."""
        for name, value in self.element.items():
            if name[:5] == "fixed":
                return "fixed", value
            if name[:7] == "pattern":
                return "pattern", value
        return None

    @property
    def types(self) -> tuple[str, ...]:
        """Codes of the element's types."""
        return tuple(one["code"] for one in self.element.get("type", ()))

    def profiles(self, name: str = "profile") -> list[str]:
        """Profiles (or `targetProfile`s) of all of the element's types."""
        return [url for one in self.element.get("type", ()) for url in one.get(name, ())]

    def all_slices(self) -> Iterator[Branch]:
        """The slices and their slices."""
        for one in self.slices:
            yield one
            yield from one.all_slices()


def grow(elements: list[Json]) -> Branch:
    """The root of the tree. Unprocessable where an element hangs on nothing."""
    root = Branch(elements[0], elements[0]["path"], "")
    branches = {root.id: root}
    for element in elements[1:]:
        id_: str = element["id"]
        above, _, last = id_.rpartition(".")
        while above and above not in branches and "/" not in last:
            # A dot in a slice's name is no step.
            above, _, more = above.rpartition(".")
            last = f"{more}.{last}"
        name, _, slice_name = last.partition(":")
        branch = Branch(element, name.removesuffix("[x]"), slice_name)
        if slice_name:
            outer, slash, _ = slice_name.rpartition("/")
            parent = branches.get(f"{above}.{name}:{outer}" if slash else f"{above}.{name}")
            if parent is None:
                parent = branches.get(f"{above}.{name}")
            if parent is None and above in branches:
                # Some of R4's own snapshots slice an element that they do not list.
                whole = {"id": f"{above}.{name}", "path": element["path"], "min": 0}
                parent = Branch(whole, branch.name, "")
                branches[parent.id] = branches[above].children[branch.name] = parent
        else:
            parent = branches.get(above)
        if parent is None:
            raise Unprocessable(f"the element {id_} hangs on none that comes before it")
        if slice_name:
            parent.slices.append(branch)
        else:
            parent.children[branch.name] = branch
        branches[id_] = branch
    return root


def type_code(type_: dict[str, Any]) -> str:
    """The type's name; primitives of FHIRPath are FHIR's strings."""
    code: str = type_["code"]
    return "string" if code.startswith("http://hl7.org/fhirpath/") else code
