"""Where the keys of one resource are gathered while its values are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from hashlib import blake2b
from itertools import chain
from typing import Any

from fhir_server.errors import Unprocessable
from fhir_server.search.entries import parted
from fhir_server.search.intervals import Row
from fhir_server.search.keys import Range

Number = int | float

MAX_KEYS = 50_000
"""Keys of one resource, ordered ones included."""

MAX_BYTES = 3_500_000
"""Bytes that they may take: MongoDB's document of 16 MB holds them, once more what the index has of
them, and the resource, which goes into a file of its own where there are many (`store.blobs`)."""

_ROW_BYTES = 60
"""What BSON adds to a key in `r`, two numbers included; one in `k` has less."""

VOCABULARY, RECORD, VALUE = range(3)
"""What elements say: what all resources may, whose record it is, or how much and when.

Those of the first kind come in the same company in resource after resource, those of the second in
the resources of one visit, those of the third as it happens.
"""

LIMIT = 500
"""Characters of a value that a key keeps as they are."""


def shortened(text: str) -> str:
    """The text itself, or its beginning and a digest of the whole: equal only for equal texts."""
    if len(text) <= LIMIT:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[:LIMIT]}\u2026{digest}"


class Collector:
    """Keys so far of one resource, of one element, or of some that come together.

    `keys` are those that are entries of the index too. `hidden` are those that are not; `records`
    and `scoped` has the index in place of them or besides (`search.entries`). `seen` are the codes
    of the parameters that have a value, for `:missing`. `references` holds parameter codes, each
    with a reference to a resource of this server (`Patient/1`): of them are made the keys of the
    compartments, and `patients`, the ids of those whose record it may be. `clinical_date` is the
    first and last microsecond of the type's main clinical date. `narrative` and `texts` are words.
    `parts` has, by number, what composites are joined of when the resource has been gone through
    (`search.shares`). `says` is one of VOCABULARY, RECORD and VALUE.
    """

    __slots__ = (
        *("base_url", "clinical_date", "hidden", "keys", "narrative", "parts", "patients"),
        *("ranges", "records", "references", "resource", "says", "scoped", "seen"),
        *("texts", "zone"),
    )

    def __init__(self, resource: dict[str, Any], base_url: str, zone: tzinfo = UTC) -> None:
        self.resource = resource
        self.base_url = base_url
        self.zone = zone
        self.keys: dict[str, None] = {}
        self.hidden: dict[str, None] = {}
        self.records: dict[str, None] = {}
        self.scoped: dict[str, None] = {}
        self.seen: dict[str, None] = {}
        self.ranges: list[Range] = []
        self.references: dict[tuple[str, str], None] = {}
        self.patients: dict[str, None] = {}
        self.clinical_date: tuple[int, int] | None = None
        self.narrative: dict[str, None] = {}
        self.texts: dict[str, None] = {}
        self.parts: dict[int, tuple[Any, ...]] = {}
        self.says = VALUE

    def add(self, other: Collector) -> None:
        """Put in what other elements of the same resource have, but their references."""
        if other.seen:
            self.seen |= other.seen  # which costs half of what `update` does
        if other.keys:
            self.keys |= other.keys
        if other.texts:
            self.texts |= other.texts
        if other.ranges:
            self.ranges += other.ranges
        if other.clinical_date is not None:
            self.clinical_date = other.clinical_date
        # Mostly one of the two has any of these: nobody changes them, so they need no copy.
        if other.hidden:
            self.hidden = {**self.hidden, **other.hidden} if self.hidden else other.hidden
        if other.records:
            self.records = {**self.records, **other.records} if self.records else other.records
        if other.scoped:
            self.scoped = {**self.scoped, **other.scoped} if self.scoped else other.scoped
        if other.patients:
            self.patients = {**self.patients, **other.patients} if self.patients else other.patients
        if other.narrative:
            self.narrative |= other.narrative
        if other.parts:
            for number, values in other.parts.items():
                self.add_part(number, values)

    def settle(self, type_: str) -> None:
        """Tell by the keys what the index has of them; before anything else is added to them."""
        self.keys, self.hidden, self.records, self.scoped = parted(type_, self.keys)
        self.says = VALUE if self.ranges else RECORD if self.references else VOCABULARY

    def add_part(self, number: int, values: tuple[Any, ...]) -> None:
        """Add values of a part of composites, to those that another element has of it."""
        before = self.parts.get(number)
        self.parts[number] = values if before is None else before + values

    def add_range(
        self, key: str, low: Number, high: Number, width: Number, names: tuple[str, ...] = ()
    ) -> None:
        """Add an ordered value; one longer than `width` also under `key~`."""
        self.ranges.append((key, low, high, names))
        if high - low > width:
            self.ranges.append((f"{key}~", low, high, names))

    def add_rows(
        self, key: str, rows: Iterable[Row], width: Number, more: tuple[str, ...] = ()
    ) -> None:
        """Add ordered values whose keys begin so, as by `add_range`, with more names."""
        add = self.ranges.append
        for suffix, low, high, names in rows:
            add((key + suffix, low, high, names + more))
            if high - low > width:
                add((f"{key}{suffix}~", low, high, names + more))

    def add_pair(
        self, key: str, first: Number, second: Number, names: tuple[str, ...] = ()
    ) -> None:
        """Add two numbers that belong together as the sides of one row."""
        self.ranges.append((key, first, second, names))

    def check(self) -> None:
        """Raise Unprocessable where there are more keys than a document can hold."""
        found = len(self.keys) + len(self.hidden) + len(self.ranges)
        # The longest key has some 2,500 bytes, so a resource of few keys need not be weighed.
        if found < 1_000:
            return
        if found > MAX_KEYS:
            raise self._too_long(f"{found} values to be searched by; at most {MAX_KEYS}")
        size = sum(len(key.encode()) + 16 for key in chain(self.keys, self.hidden))
        size += sum(len(key.encode()) + _ROW_BYTES for key, *_ in self.ranges)
        if size > MAX_BYTES:
            raise self._too_long(f"{size} bytes of values to be searched by; at most {MAX_BYTES}")

    def _too_long(self, text: str) -> Unprocessable:
        return Unprocessable(
            f"The resource has {text} can be kept. Split it into several resources.",
            code="too-long",
            expression=str(self.resource.get("resourceType", "")),
        )
