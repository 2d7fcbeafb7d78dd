"""The ids of elements: their paths with the names of slices (`Patient.name:maiden.given`).

https://hl7.org/fhir/R4/elementdefinition.html#id
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def with_ids(elements: list[Json]) -> list[Json]:
    """The elements, each with the id that its path and slice names come to.

    Ids that are given are not trusted: real differentials have wrong ones.
    """
    found: list[Json] = []
    names: dict[str, str] = {}
    """Path -> the slice name that its last element had, with what is above it."""
    for element in elements:
        path: str = element["path"]
        above, dot, last = path.rpartition(".")
        head = _named(above, names) + dot + last
        slice_name = element.get("sliceName")
        id_ = f"{head}:{slice_name}" if slice_name else head
        given = element.get("id")
        if not slice_name and isinstance(given, str) and plain(given) == path and ":" in given:
            id_ = given  # children of a slice, written apart from it
        for known in [known for known in names if known.startswith(f"{path}.")]:
            del names[known]
        names[path] = id_
        found.append({**element, "id": id_})
    return found


def _named(path: str, names: dict[str, str]) -> str:
    """The id of the last element that had this path, or that of its parent and the rest."""
    if not path or path in names:
        return names.get(path, "")
    above, dot, last = path.rpartition(".")
    return _named(above, names) + dot + last


def plain(id_: str) -> str:
    """The path of the element that has this id."""
    return ".".join(step.partition(":")[0] for step in id_.split("."))
