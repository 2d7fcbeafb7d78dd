"""NDJSON in lots: each of a size to be written together, none with the same resource twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fhir_server.loading.submissions import Submission, Unloadable, line

LOT = 256
"""Lines that one process is given at once."""

LOT_BYTES = 4 * 1024 * 1024
"""Bytes of lines after which no more are added: a lot is held in memory several times over."""

MOST_KNOWN = 100_000
"""Ids that are remembered; then those before are waited for instead."""


class Lot(NamedTuple):
    """Lines of the file `file`: what they ask for, and those that are no resources.

    `waits` where what comes before them must be done first, because one of them names a resource
    again: the later line shall win.
    """

    file: str
    items: list[Submission]
    unloadable: list[Unloadable]
    waits: bool

    @property
    def line(self) -> int:
        """The number of the line that it begins with; 0 where nothing of the file can be read."""
        first = [item.place for item in self.items[:1]] + [x.place for x in self.unloadable[:1]]
        return min(map(line, first))


def lots(
    file: str,
    items: Iterable[Submission | Unloadable],
    size: int = LOT,
    most_bytes: int = LOT_BYTES,
    known: int = MOST_KNOWN,
) -> Iterator[Lot]:
    """The lines in their order, `size` of them together at most; read as the lots are needed."""
    seen: set[str] = set()
    lot = Lot(file, [], [], False)
    weight = 0
    for item in items:
        name = item.path if isinstance(item, Submission) and item.method == "PUT" else ""
        again = bool(name) and (name in seen or len(seen) >= known)
        if again or len(lot.items) + len(lot.unloadable) >= size or weight >= most_bytes:
            yield lot
            lot = Lot(file, [], [], again)
            weight = 0
            if again:
                seen.clear()
        if isinstance(item, Unloadable):
            lot.unloadable.append(item)
            continue
        if name:
            seen.add(name)
        lot.items.append(item)
        weight += len(item.body) + 1
    if lot.items or lot.unloadable:
        yield lot
