"""Snapshots: what a differential comes to on top of its base.

https://hl7.org/fhir/R4/profiling.html#snapshot. Elements are addressed by their ids
(`Observation.component:systolic.code`). Where a differential goes below an element, the children
of that element's type, profile or contentReference are written out first.
"""

from __future__ import annotations

from typing import Any

from fhir_server.errors import Unprocessable
from fhir_server.validation.profiles.ids import plain, with_ids
from fhir_server.validation.profiles.library import CORE
from fhir_server.validation.profiles.merging import Find, merge

Json = dict[str, Any]

MOST_ELEMENTS = 20_000
MOST_BASES = 20


class SnapshotFault(Unprocessable):
    """A snapshot that cannot be made; the text says of what and why."""


def make_snapshot(definition: Json, find: Find, depth: int = 0) -> list[Json]:
    """The elements of the definition's snapshot, whether it has one itself or not.

    SnapshotFault where its base is not known or the differential does not fit on it.
    """
    given = definition.get("snapshot", {}).get("element")
    if given:
        return with_ids(given)
    url = str(definition.get("url"))
    if depth > MOST_BASES:
        raise SnapshotFault(f"{url} derives from itself, or over more than {MOST_BASES} steps")
    base = definition.get("baseDefinition")
    if not isinstance(base, str):
        raise SnapshotFault(f"{url} has neither a snapshot nor a baseDefinition")
    below = find(base)
    if below is None:
        raise SnapshotFault(f"{url} is based on {base}, which is not known: load it first")
    return Builder(url, make_snapshot(below, find, depth + 1), find, depth).build(
        with_ids(definition.get("differential", {}).get("element", []))
    )


class Builder:
    """One snapshot in the making: the elements in order, found by their ids."""

    def __init__(self, url: str, base: list[Json], find: Find, depth: int) -> None:
        self._url = url
        self._find = find
        self._depth = depth
        self._narrowed: dict[str, set[str]] = {}
        self._elements = [
            element if "base" in element else {**element, "base": _base(element)}
            for element in base
        ]

    def build(self, differential: list[Json]) -> list[Json]:
        """The snapshot with the differential on it."""
        for element in differential:
            id_ = self._spelled(element["id"])
            index = self._index(id_)
            if index is None:
                index = self._make(id_)
            self._elements[index] = merge(self._elements[index], element, self._url, self._find)
            if len(self._elements) > MOST_ELEMENTS:
                raise SnapshotFault(f"{self._url} has more than {MOST_ELEMENTS} elements")
        told = {element["id"] for element in differential}
        for id_, types in self._narrowed.items():
            index = self._index(id_)
            if index is not None and id_ not in told:
                kept = [t for t in self._elements[index].get("type", ()) if t["code"] in types]
                self._elements[index] = {**self._elements[index], "type": kept}
        return self._elements

    def _spelled(self, id_: str) -> str:
        """The id with `valueQuantity` written as the slice `value[x]:valueQuantity`.

        That spelling also says that there is no other type, unless `value[x]` is told of itself.
        """
        parts = id_.split(".")
        done = parts[0]
        for part in parts[1:]:
            name, _, rest = part.partition(":")
            if self._index(f"{done}.{name}") is None and not name.endswith("[x]"):
                parent = self._index(done)
                if parent is not None and self._has_no_children(done):
                    self._unfold(parent)
                choice = self._choice(done, name)
                if choice is not None:
                    part = f"{choice}:{rest or name}"
                    self._narrow(f"{done}.{choice}", name[len(choice) - 3 :])
            done = f"{done}.{part}"
        return done

    def _narrow(self, id_: str, suffix: str) -> None:
        index = self._index(id_)
        if index is not None:
            codes = {
                t["code"] for t in self._elements[index]["type"] if _suffix(t["code"]) == suffix
            }
            self._narrowed.setdefault(id_, set()).update(codes)

    def _choice(self, parent: str, name: str) -> str | None:
        """`value[x]` for `valueQuantity`, where the parent has such an element."""
        if self._index(f"{parent}.{name}") is not None:
            return None
        for element in self._elements:
            above, _, last = element["id"].rpartition(".")
            stem = last.removesuffix("[x]")
            if above == parent and stem != last and name.startswith(stem):
                code = name[len(stem) :]
                if any(_suffix(one["code"]) == code for one in element.get("type", ())):
                    found: str = last
                    return found
        return None

    def _index(self, id_: str) -> int | None:
        for index, element in enumerate(self._elements):
            if element["id"] == id_:
                return index
        return None

    def _has_no_children(self, id_: str) -> bool:
        below = f"{id_}."
        return not any(element["id"].startswith(below) for element in self._elements)

    def _end(self, index: int) -> int:
        """Where the element's children and slices end."""
        id_ = self._elements[index]["id"]
        inner = (f"{id_}.", f"{id_}:", f"{id_}/")
        index += 1
        while index < len(self._elements) and self._elements[index]["id"].startswith(inner):
            index += 1
        return index

    def _make(self, id_: str) -> int:
        """Writes out the element: as a slice of another one, or as a child of its parent."""
        above, dot, last = id_.rpartition(".")
        name, colon, slice_name = last.partition(":")
        if colon:
            return self._make_slice(above + dot + name, slice_name)
        if not dot:
            raise SnapshotFault(f"{self._url} is about {id_}, but its base is not")
        parent = self._index(above)
        if parent is None:
            parent = self._make(above)
        if self._has_no_children(above):
            self._unfold(parent)
        index = self._index(id_)
        if index is None:
            raise SnapshotFault(f"{self._url}: there is no {id_} in what it is based on")
        return index

    def _make_slice(self, sliced: str, name: str) -> int:
        outer, slash, _ = name.rpartition("/")
        source_id = f"{sliced}:{outer}" if slash else sliced
        index = self._index(source_id)
        if index is None:
            index = self._make(source_id)
        source = self._elements[index]
        at = self._end(index)
        copy = {k: v for k, v in source.items() if k not in ("slicing", "min")}
        copy |= {"id": f"{sliced}:{name}", "sliceName": name, "min": 0}
        self._elements.insert(at, copy)
        if source["path"].endswith("[x]"):
            self._slice_by_type(index, copy)
        elif source["path"].endswith((".extension", ".modifierExtension")):
            source.setdefault("slicing", _by("value", "url"))
        return at

    def _slice_by_type(self, index: int, copy: Json) -> None:
        source = self._elements[index]
        if "slicing" not in source:
            self._elements[index] = {**source, "slicing": _by("type", "$this")}
        stem = source["path"].rpartition(".")[2].removesuffix("[x]")
        code = copy["sliceName"].removeprefix(stem)
        types = [one for one in source.get("type", ()) if _suffix(one["code"]) == code]
        if types:
            copy["type"] = types

    def _unfold(self, index: int) -> None:
        """Writes out the children of an element that has none so far."""
        element = self._elements[index]
        source, prefix = self._children(element)
        children = []
        for child in source:
            if child["id"].startswith(f"{prefix}."):
                rest = child["id"][len(prefix) :]
                path = element["path"] + child["path"][len(plain(prefix)) :]
                children.append({**child, "id": element["id"] + rest, "path": path})
        if len(self._elements) + len(children) > MOST_ELEMENTS:
            raise SnapshotFault(f"{self._url} has more than {MOST_ELEMENTS} elements")
        self._elements[index + 1 : index + 1] = children

    def _children(self, element: Json) -> tuple[list[Json], str]:
        """The elements among which the children are, and the id that they are below."""
        id_: str = element["id"]
        head, colon, slice_name = id_.rpartition(":")
        if colon and "." not in slice_name:
            whole = f"{head}:{slice_name.rpartition('/')[0]}" if "/" in slice_name else head
            if not self._has_no_children(whole):
                return [e for e in self._elements if ":" not in e["id"][len(whole) :]], whole
        content = element.get("contentReference")
        if content:
            return self._elements, content.partition("#")[2]
        types = element.get("type", ())
        if len(types) > 1:
            code, profiles = "Element", []
        elif types:
            code, profiles = types[0]["code"], types[0].get("profile", [])
        else:
            raise SnapshotFault(f"{self._url}: {id_} has no type to look into")
        if code.startswith("http://hl7.org/fhirpath/"):
            code = "Element"
        url = profiles[0] if len(profiles) == 1 else CORE + code
        definition = self._find(url) or self._find(CORE + code)
        if definition is None:
            raise SnapshotFault(f"{self._url}: {id_} is of {url}, which is not known")
        elements = make_snapshot(definition, self._find, self._depth + 1)
        return elements, elements[0]["id"]


def _by(type_: str, path: str) -> Json:
    return {"discriminator": [{"type": type_, "path": path}], "rules": "open", "ordered": False}


def _base(element: Json) -> Json:
    return {"path": element["path"], "min": element.get("min", 0), "max": element.get("max", "*")}


def _suffix(code: str) -> str:
    return code[:1].upper() + code[1:]
