"""NDJSON in lots: each of a size to be written together, none with the same resource twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fhir_server.loading.submissions import Submission, Unloadable

LOT = 256
"""Lines that one process is given at once."""

LOT_BYTES = 4 * 1024 * 1024
"""Bytes of lines after which no more are added: a lot is held in memory several times over."""

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
    file: str,
    items: Iterable[Submission | Unloadable],
    size: int = LOT,
    most_bytes: int = LOT_BYTES,
    known: int = MOST_KNOWN,
) -> Iterator[Lot]:
    """The lines in their order, `size` of them together at most."""
    seen: set[str] = set()
    lot = Lot(file, [], [], 0, False)
    weight = 0
    for item in items:
        if isinstance(item, Unloadable):
            lot.unloadable.append(item)
            continue
        again = item.method == "PUT" and (item.path in seen or len(seen) >= known)
        if again or len(lot.items) >= size or weight >= most_bytes:
            yield lot._replace(bytes=weight)
            lot = Lot(file, [], [], 0, again)
            weight = 0
            if again:
                seen.clear()
        if item.method == "PUT":
            seen.add(item.path)
        lot.items.append(item)
        weight += len(item.body) + 1
    if lot.items or lot.unloadable:
        yield lot._replace(bytes=weight)
