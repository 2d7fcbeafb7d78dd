"""Where the keys of one resource are gathered while its values are looked at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from hashlib import blake2b
from typing import Any

from fhir_server.errors import Unprocessable
from fhir_server.search.keys import Range

Number = int | float

MAX_KEYS = 50_000
"""Keys of one resource, ordered ones included."""

MAX_BYTES = 3_500_000
"""Bytes that they may take: MongoDB's document of 16 MB holds them, once more what the index has of
them, and the resource, which goes into a file of its own where there are many (`store.blobs`)."""

_ROW_BYTES = 60
"""What BSON adds to a key in `r`, two numbers included; one in `k` has less."""

LIMIT = 500
"""Characters of a value that a key keeps as they are."""


def shortened(text: str) -> str:
    """The text itself, or its beginning and a digest of the whole: equal only for equal texts."""
    if len(text) <= LIMIT:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[:LIMIT]}\u2026{digest}"


class Collector:
    """Keys so far of one resource.

    `references` holds parameter codes, each with a reference to a resource of this server
    (`Patient/1`); the compartments and the patient are made of them. `seen` are the codes of the
    parameters that have a value, for `:missing`. `clinical_date` is the first and last microsecond
    of the type's main clinical date. `narrative` and `texts` are words. `parts` has, by number,
    what composites are joined of when the resource has been gone through (`search.shares`).
    """

    __slots__ = (
        *("base_url", "clinical_date", "keys", "narrative", "parts", "ranges", "references"),
        *("resource", "seen", "texts", "zone"),
    )

    def __init__(self, resource: dict[str, Any], base_url: str, zone: tzinfo = UTC) -> None:
        self.resource = resource
        self.base_url = base_url
        self.zone = zone
        self.keys: dict[str, None] = {}
        self.ranges: dict[Range, None] = {}
        self.seen: dict[str, None] = {}
        self.references: dict[tuple[str, str], None] = {}
        self.clinical_date: tuple[int, int] | None = None
        self.narrative: dict[str, None] = {}
        self.texts: dict[str, None] = {}
        self.parts: dict[int, tuple[Any, ...]] = {}

    def add(self, others: Iterable[Collector]) -> None:
        """Put in what was gathered from other elements of the same resource."""
        seen, keys, texts = self.seen, self.keys, self.texts
        for other in others:
            if other.seen:
                seen |= other.seen  # which costs half of what `update` does
                keys |= other.keys
                if other.ranges:
                    self.ranges |= other.ranges
                if other.references:
                    self.references |= other.references
                if other.clinical_date is not None:
                    self.clinical_date = other.clinical_date
            if other.texts:
                texts |= other.texts
            if other.narrative:
                self.narrative |= other.narrative
            if other.parts:
                for number, values in other.parts.items():
                    self.add_part(number, values)

    def add_part(self, number: int, values: tuple[Any, ...]) -> None:
        """Add values of a part of composites, to those that another element has of it."""
        before = self.parts.get(number)
        self.parts[number] = values if before is None else before + values

    def add_range(
        self, key: str, low: Number, high: Number, width: Number, names: tuple[str, ...] = ()
    ) -> None:
        """Add an ordered value; one longer than `width` also under `key~`."""
        self.ranges[key, low, high, names] = None
        if high - low > width:
            self.ranges[f"{key}~", low, high, names] = None

    def add_pair(
        self, key: str, first: Number, second: Number, names: tuple[str, ...] = ()
    ) -> None:
        """Add two numbers that belong together as the sides of one row."""
        self.ranges[key, first, second, names] = None

    def check(self) -> None:
        """Raise Unprocessable where there are more keys than a document can hold."""
        found = len(self.keys) + len(self.ranges)
        # The longest key has some 2,500 bytes, so a resource of few keys need not be weighed.
        if found < 1_000:
            return
        if found > MAX_KEYS:
            raise self._too_long(f"{found} values to be searched by; at most {MAX_KEYS}")
        size = sum(len(key.encode()) + 16 for key in self.keys)
        size += sum(len(key.encode()) + _ROW_BYTES for key, *_ in self.ranges)
        if size > MAX_BYTES:
            raise self._too_long(f"{size} bytes of values to be searched by; at most {MAX_BYTES}")

    def _too_long(self, text: str) -> Unprocessable:
        return Unprocessable(
            f"The resource has {text} can be kept. Split it into several resources.",
            code="too-long",
            expression=str(self.resource.get("resourceType", "")),
        )
