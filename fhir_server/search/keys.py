"""The search keys that lie in a resource's own document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

Range: TypeAlias = tuple[str, float | int, float | int, tuple[str, ...]]
"""An ordered value: its key, from where to where it goes (both inside), and what more it says.

Instants are microseconds since 1970 (UTC), quantities are in canonical UCUM units or, under a key
that names none, in whatever they have. What a row says more than its key is what the unit is
called, and behind a `=` the tokens of a composite with their systems.
"""


def documents(ranges: Iterable[Range]) -> list[dict[str, object]]:
    """The ranges as filters speak of them, and as MongoDB has them."""
    return [
        {"k": key, "lo": low, "hi": high, "w": says} if says else {"k": key, "lo": low, "hi": high}
        for key, low, high, says in ranges
    ]


class Keys(NamedTuple):
    """All that a resource is found and ordered by.

    `p` is the logical id of the patient whose record this belongs to; `d` and `e` are the start
    and end of the type's main clinical date, in microseconds since 1970; `k` holds what is matched
    by equality or prefix (always with `*`), `r` every other ordered value. `s` names the parameters
    that have a value; no index has it, since `:missing` seldom leaves few resources. `n` are the
    words of the narrative, `t` those of other texts; no index has them either. `c` has the keys of
    each contained resource. `b` is what the index has of `k` and `p` (`search.entries`), None where
    that is still to be worked out.
    """

    p: str | None
    d: int | None
    e: int | None
    k: list[str]
    r: list[Range]
    s: Sequence[str] = ()
    n: Sequence[str] = ()
    t: Sequence[str] = ()
    c: Sequence[Contained] = ()
    b: list[str] | None = None


class Contained(NamedTuple):
    """A resource that is contained in another one, with its own keys."""

    type: str
    id: str
    keys: Keys
