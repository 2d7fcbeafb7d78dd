"""The search keys that lie in a resource's own document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Range(NamedTuple):
    """An ordered value under the key `k`: from `lo` to `hi`, both inside.

    Instants are microseconds since 1970 (UTC), quantities are in canonical UCUM units or, under a
    key that names none, in whatever they have. `w` says more of the row than its key: what the unit
    is called, and behind a `=` the tokens of a composite with their systems.
    """

    k: str
    lo: float | int
    hi: float | int
    w: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """The range as filters speak of it, and as MongoDB has it."""
        found: dict[str, object] = {"k": self.k, "lo": self.lo, "hi": self.hi}
        if self.w:
            found["w"] = list(self.w)
        return found


class Keys(NamedTuple):
    """All that a resource is found and ordered by.

    `p` is the logical id of the patient whose record this belongs to; `d` and `e` are the start
    and end of the type's main clinical date, in microseconds since 1970; `k` holds what is matched
    by equality or prefix (always with `*`), `r` every other ordered value. `s` names the parameters
    that have a value; no index has it, since `:missing` seldom leaves few resources. `n` are the
    words of the narrative, `t` those of other texts; no index has them either. `c` has the keys of
    each contained resource.
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


class Contained(NamedTuple):
    """A resource that is contained in another one, with its own keys."""

    type: str
    id: str
    keys: Keys
