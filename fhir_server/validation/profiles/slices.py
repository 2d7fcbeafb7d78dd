"""Slices at work: which values are of which slice, and what that demands of them.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fhir_server.validation.faults import Faults, above
from fhir_server.validation.profiles.items import Item
from fhir_server.validation.profiles.run import Run

__all__ = ["Group", "Slice"]


class Slice(NamedTuple):
    """One slice: which values it takes, how many, and what it demands of each."""

    name: str
    min: int
    max: int | None
    match: Callable[[Item, Run], bool]
    test: Callable[[Item, Run], Faults] | None
    inner: Group | None
    """Its own slices."""


class Group:
    """The slices of one element."""

    def __init__(
        self, element: str, url: str, rules: str, ordered: bool, slices: tuple[Slice, ...]
    ) -> None:
        self._element = element
        self._url = url
        self._rules = rules
        self._ordered = ordered
        self._slices = slices

    def check(self, items: Sequence[Item], run: Run) -> Faults:
        """Faults of the values as slices, their places below the object that has the element."""
        faults: Faults = None
        found: list[list[Item]] = [[] for _ in self._slices]
        last = -1
        open_since: Item | None = None
        for item in items:
            index = self._of(item, run)
            if index is None:
                open_since = open_since or item
                if self._rules == "closed":
                    text = f"is of no slice of {self._element}, and {self._url} allows no other"
                    faults = _add(faults, _at(run.fault("structure", text), item))
                continue
            found[index].append(item)
            if self._rules == "openAtEnd" and open_since is not None:
                text = f"{self._slices[index].name} must come before what is of no slice"
                faults = _add(faults, _at(run.fault("structure", text), item))
            if self._ordered and index < last:
                text = (
                    f"{self._slices[index].name} must come before {self._slices[last].name} "
                    f"({self._url} orders them)"
                )
                faults = _add(faults, _at(run.fault("structure", text), item))
            last = max(last, index)
        for slice_, members in zip(self._slices, found, strict=True):
            faults = _add(faults, self._one(slice_, members, run))
        return faults

    def _of(self, item: Item, run: Run) -> int | None:
        for index, slice_ in enumerate(self._slices):
            if slice_.match(item, run):
                return index
        return None

    def _one(self, slice_: Slice, members: list[Item], run: Run) -> Faults:
        faults: Faults = None
        name = f"{self._element}:{slice_.name}"
        if len(members) < slice_.min:
            text = f"{self._url} demands {slice_.min} of {name}, not {len(members)}"
            faults = run.fault("required", text, f".{self._element}")
        elif slice_.max is not None and len(members) > slice_.max:
            text = f"{self._url} allows {slice_.max or 'no'} {name}, not {len(members)}"
            faults = run.fault("structure", text, f".{self._element}")
        if slice_.test is not None:
            for item in members:
                faults = _add(faults, _at(slice_.test(item, run), item))
        if slice_.inner is not None and (members or slice_.min):
            faults = _add(faults, slice_.inner.check(members, run))
        return faults


def _at(faults: Faults, item: Item) -> Faults:
    return None if faults is None else above(faults, item.step)


def _add(faults: Faults, found: Faults) -> Faults:
    if faults is None or found is None:
        return found if faults is None else faults
    return faults + found
