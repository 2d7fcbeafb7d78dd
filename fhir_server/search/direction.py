"""From which end the chains of a search are followed.

Both ends are looked at in turn, a little at first: what few resources meet at the far end is a
filter for the near one (`search.chain`). What many meet there is left open, so that a page can be
read in its order and each lot of rows held against the rest (`search.near`). Both give the same
answer; which one is quicker only the data know.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fhir_server.access.grant import Filter
from fhir_server.errors import TooCostly
from fhir_server.search.chain import MAX_CHAINED, Finder, TooMany, inside, resolved
from fhir_server.search.compile import EVERY, Part, combine
from fhir_server.search.conditions import Condition
from fhir_server.search.kinds import MatchContext
from fhir_server.search.near import Here, flat, is_linked, meeting

FEW = 100
"""So many resources at the far end of a chain are a filter before the near end is looked at."""

MANY = 1_000
"""So many are, once the first rows of the near end have not made a page."""

MOST_CANDIDATES = 1_000
"""For how many resources a chain is followed from them, however many there are at the far end."""


@dataclass(frozen=True, slots=True)
class Sieve:
    """Conditions on `context.type`: those compiled, and the `rest`, which is asked of resources.

    For those that the finder sees, at its moment and under its grant.
    """

    parts: tuple[Part, ...]
    rest: tuple[Condition, ...]
    context: MatchContext
    finder: Finder

    @property
    def filter(self) -> Filter:
        """What all matches meet; where nothing is left over, nothing but matches does."""
        return combine(self.parts)

    async def kept(self, ids: Collection[str], here: Here | None = None) -> set[str]:
        """Those of the ids, of resources that meet the filter, which are matches.

        `here` tells of them, in the place of the finder. Raises TooMany where they have too much to
        do with other resources.
        """
        return await meeting(ids, self.rest, self.context, self.finder, shown=True, here=here)

    async def narrowed(self) -> Sieve:
        """The same with such chains compiled too as `MANY` resources meet at the far end."""
        return await self._narrowed(MANY)

    async def _narrowed(self, most: int) -> Sieve:
        parts, rest = list(self.parts), []
        for condition in self.rest:
            try:
                parts += await resolved((condition,), self.context, self.finder, most)
            except TooCostly:
                rest.append(condition)
        return Sieve(tuple(parts), tuple(rest), self.context, self.finder)

    async def settled(self) -> Filter:
        """One filter for all of it. Raises TooMany where either end has too many for that."""
        filter_ = self.filter
        if not self.rest:
            return filter_
        if filter_ != {"k": EVERY}:
            few = await self.finder.ids(self.context.type, filter_, MOST_CANDIDATES + 1)
            if len(few) <= MOST_CANDIDATES:
                try:
                    kept = await self.kept(few)
                except TooMany:
                    pass
                else:
                    return combine([*self.parts, Part(0, {"_id": {"$in": sorted(kept)}})])
        return await self.followed()

    async def followed(self) -> Filter:
        """One filter for all of it, whatever the near end has.

        Raises TooMany where a step at the far end finds too many.
        """
        parts = await resolved(self.rest, self.context, self.finder, MAX_CHAINED)
        return combine([*self.parts, *parts])


async def sieve(
    conditions: Sequence[Condition],
    context: MatchContext,
    finder: Finder,
    *,
    compartment: str = "",
) -> Sieve:
    """The conditions, with such chains compiled as few resources meet at the far end."""
    every = list(flat(conditions))
    plain = [condition for condition in every if not is_linked(condition)]
    parts = (*inside(compartment), *await resolved(plain, context, finder))
    linked = tuple(condition for condition in every if is_linked(condition))
    return await Sieve(parts, linked, context, finder)._narrowed(FEW)
