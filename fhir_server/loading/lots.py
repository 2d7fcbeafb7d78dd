"""NDJSON in lots: each of a size to be written together, none with the same resource twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fhir_server.loading.submissions import Submission, Unloadable

LOT = 256
"""Lines that one process is given at once."""

MOST_KNOWN = 100_000
"""Ids that are remembered; then those before are waited for instead."""


class Lot(NamedTuple):
    """Lines of the file `file`: what they ask for, and those that are no resources.

    `bytes` is what they take up in the unpacked file. `waits` where what comes before them must be
    done first, because one of them names a resource again: the later line shall win.
    """

    file: str
    items: list[Submission]
    unloadable: list[Unloadable]
    bytes: int
    waits: bool


def lots(
    file: str, items: Iterable[Submission | Unloadable], size: int = LOT, known: int = MOST_KNOWN
) -> Iterator[Lot]:
    """The lines in their order, `size` of them together at most."""
    seen: set[str] = set()
    waits = False
    lot = Lot(file, [], [], 0, waits)
    for item in items:
        if isinstance(item, Unloadable):
            lot.unloadable.append(item)
            continue
        again = item.method == "PUT" and (item.path in seen or len(seen) >= known)
        if again or len(lot.items) >= size:
            yield _weighed(lot)
            lot = Lot(file, [], [], 0, again)
            if again:
                seen.clear()
        if item.method == "PUT":
            seen.add(item.path)
        lot.items.append(item)
    if lot.items or lot.unloadable:
        yield _weighed(lot)


def _weighed(lot: Lot) -> Lot:
    return lot._replace(bytes=sum(len(item.body) + 1 for item in lot.items))
