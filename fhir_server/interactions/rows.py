"""One page of rows of a compiled search, read in the order asked for.

Searches across types are merged by last update, then type, then id. Pages after the first read the
moment of the first one while the database still has it (`FHIR_HISTORY_WINDOW`); after that the
keyset alone keeps them from repeating or skipping what did not change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.errors import TooCostly
from fhir_server.interactions.walk import walk
from fhir_server.search.compile import Query
from fhir_server.search.computed import ordered
from fhir_server.search.cursor import Cursor
from fhir_server.search.keyset import Order, Stretch, stretches
from fhir_server.search.paging import Edges
from fhir_server.search.sort import MAX_SORTED
from fhir_server.store.pages import BY_ID
from fhir_server.store.resources import Page, PageQuery, Store, Version
from fhir_server.store.transaction import Session, each


class Found(NamedTuple):
    """Matches in order, of `size` rows that were found, and the moment that they were read at.

    `place` says where the row at an index stands: its sort values, the id last. There are fewer
    matches than rows where some were deleted before the resources themselves were read. `patients`
    are those of the rows by their ids, where they were asked for.
    """

    versions: Sequence[Version]
    size: int
    place: Callable[[int], tuple[Any, ...]]
    time: int | None
    patients: Mapping[str, str | None] = {}


class Rows(msgspec.Struct, frozen=True):
    """A page's matches in order, what lies beyond them, and the moment they were read at."""

    versions: Sequence[Version]
    edges: Edges
    time: int | None = None


class Reader(msgspec.Struct, frozen=True):
    """Reads pages of `limit` rows under one grant; `keys` where the rows' keys are needed."""

    store: Store
    grant: Grant
    session: Session | None
    limit: int
    keys: bool

    async def read(
        self, queries: Sequence[Query], cursor: Cursor | None, time: int | None = None
    ) -> Rows:
        """The page after (or before) the cursor's place; the first one at `time`, None for now.

        Raises TooCostly (see `MAX_SORTED`).
        """
        place = cursor or Cursor((), time=time)
        match queries:
            case []:
                return Rows((), Edges(), place.time)
            case [query]:
                found = await self._of_type(query, place)
            case _:
                found = await self._merged(queries, place)
        versions = found.versions[: self.limit]
        if not found.size:
            return Rows(versions, Edges(), found.time)
        more, first, last = found.size > self.limit, 0, min(found.size, self.limit) - 1
        before, after = bool(place.values), more
        if place.backwards:
            versions = versions[::-1]
            before, after, first, last = more, True, last, first
        edges = Edges(
            found.place(first) if before else None,
            found.place(last) if after else None,
        )
        return Rows(versions, edges, found.time)

    async def _of_type(self, query: Query, place: Cursor) -> Found:
        if query.sieve is not None:
            read = partial(self._some, patients=True)
            return await walk(read, query, query.sieve, place, self.limit + 1)
        return await self._some(query, place, self.limit + 1)

    async def _some(
        self, query: Query, place: Cursor, wanted: int, *, patients: bool = False
    ) -> Found:
        """So many rows of one query, whatever its sieve keeps."""
        if query.order is None:
            return await self._computed(query, place)
        after = (place.values[0], place.values[1]) if place.values else None
        parts = stretches(
            query.filter, query.order, after, backwards=place.backwards, merged=query.merged
        )
        page = await self._stretches(query.type, parts, place.time, wanted, patients=patients)
        theirs = {row["_id"]: row.get("p") for row in page.rows} if patients else {}
        return Found(page.versions, len(page.versions), page.place, page.cluster_time, theirs)

    async def _stretches(
        self,
        type_: str,
        parts: Sequence[Stretch],
        time: int | None,
        wanted: int,
        *,
        patients: bool = False,
    ) -> Page:
        """`wanted` rows of the stretches, one after the other."""
        found = Page(cluster_time=time)
        for part in parts:
            if len(found.versions) == wanted:
                break
            query = PageQuery(
                type_,
                part.filter,
                tuple(part.sort.items()),
                wanted - len(found.versions),
                at_cluster_time=found.cluster_time,
                keys=self.keys,
                patients=patients,
            )
            page = await self.store.page(query, self.grant, self.session)
            found = found.followed(page) if found.versions else page
        return found

    async def _computed(self, query: Query, place: Cursor) -> Found:
        """Rows by computed keys: places first, then the resources that are shown."""
        store, time = self.store, place.time
        bounded: list[dict[str, Any]] = [{"$limit": MAX_SORTED + 1}, {"$count": "n"}]
        counted = await store.selections.ordered(
            query.type, query.filter, bounded, self.grant, self.session, time
        )
        if counted.documents and counted.documents[0]["n"] > MAX_SORTED:
            raise TooCostly(
                f"More than {MAX_SORTED:,} matches cannot be sorted so; narrow the search, or sort "
                "by _lastUpdated or by the main date of the type",
                expression="http._sort",
            )
        time = time or counted.cluster_time
        stages = ordered(
            query.keys, place.values or None, backwards=place.backwards, limit=self.limit + 1
        )
        rows = await store.selections.ordered(
            query.type, query.filter, stages, self.grant, self.session, time
        )
        places = {row["_id"]: (*row["s"], row["_id"]) for row in rows.documents}
        page = await store.page(
            PageQuery(
                query.type,
                {"_id": {"$in": list(places)}},
                BY_ID,
                len(places),
                at_cluster_time=time,
                keys=self.keys,
            ),
            self.grant,
            self.session,
        )
        versions = {version.id: version for version in page.versions}
        ids = list(places)
        shown = [versions[id_] for id_ in ids[: self.limit] if id_ in versions]
        return Found(shown, len(ids), lambda at: places[ids[at]], page.cluster_time)

    async def _merged(self, queries: Sequence[Query], place: Cursor) -> Found:
        """Rows of several types; their place is (updated, type, id)."""
        stored = set(await self.store.types())
        present = [query for query in queries if query.type in stored]
        if not present:
            return Found((), 0, Page().place, place.time)
        order = present[0].order or Order("u")
        first = await self._share(present[0], order, place, place.time)
        time = first.cluster_time

        def share(query: Query) -> Awaitable[Page]:
            return self._share(query, order, place, time)

        others = await each(self.session, share, present[1:])
        found = [version for page in (first, *others) for version in page.versions]
        # by update in the order's direction, by type and id in the direction that the index has
        down = order.descending != place.backwards
        found.sort(key=attrgetter("type", "id"), reverse=not down)
        found.sort(key=attrgetter("updated"), reverse=down)
        found = found[: self.limit + 1]
        return Found(found, len(found), lambda at: _place(found[at]), time)

    async def _share(self, query: Query, order: Order, place: Cursor, time: int | None) -> Page:
        """What one type could have on the page."""
        after: tuple[Any, str] | None = None
        if place.values:
            updated, type_, id_ = place.values
            down = order.descending != place.backwards
            comes_later = query.type > type_ if down else query.type < type_
            # "" is before, "~" after every id: a tie of another type is all there or not at all
            first, last = ("", "~") if down else ("~", "")
            after = (updated, id_ if query.type == type_ else first if comes_later else last)
        parts = stretches(
            query.filter, order, after, backwards=place.backwards, merged=query.merged
        )
        return await self._stretches(query.type, parts, time, self.limit + 1)


def _place(version: Version) -> tuple[int, str, str]:
    """Where a row of several types stands."""
    return version.updated, version.type, version.id
