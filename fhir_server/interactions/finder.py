"""The searches within a search (chains), on the store and under the caller's grant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.access.grant import Filter, Grant
from fhir_server.interactions.search_concepts import SearchConcepts
from fhir_server.search.kinds import MatchContext
from fhir_server.services import Services
from fhir_server.store.moments import Rows
from fhir_server.store.resources import Store
from fhir_server.store.transaction import Session


@dataclass(slots=True)
class StoreFinder:
    """`search.chain.Finder` on the store.

    All its steps read one moment, the one of the first step where `time` is not given: the page
    that they lead to must read it too, and so must all pages after it.
    """

    store: Store
    grant: Grant
    session: Session | None
    time: int | None = None

    async def ids(
        self, type_: str, filter_: Filter, limit: int, milliseconds: int | None = None
    ) -> Sequence[str]:
        """The ids of the resources that meet the filter, `limit` at most.

        Raises TooCostly where they are not found within the milliseconds; a transaction, which that
        would end, takes its time.
        """
        selections = self.store.selections
        patience = milliseconds if self.session is None else None
        return self._values(
            await selections.ids(
                type_, filter_, limit, self.grant, self.session, self.time, patience
            )
        )

    async def keys(self, type_: str, filter_: Filter, prefix: str, limit: int) -> Sequence[str]:
        """The different keys with this prefix among the resources that meet the filter."""
        selections = self.store.selections
        return self._values(
            await selections.keys(
                type_, filter_, prefix, limit, self.grant, self.session, self.time
            )
        )

    async def patients(self, type_: str, filter_: Filter, limit: int) -> Sequence[str]:
        """The ids of the patients whose records hold resources that meet the filter."""
        selections = self.store.selections
        return self._values(
            await selections.patients(type_, filter_, limit, self.grant, self.session, self.time)
        )

    async def targets(
        self, type_: str, filter_: Filter, prefix: str | None, limit: int
    ) -> Sequence[tuple[str, Sequence[str]]]:
        """The ids of `limit` resources at most, each with its keys that have the prefix.

        Without a prefix the patient in the place of the keys.
        """
        rows = await self.store.selections.targets(
            type_, filter_, prefix, limit, self.grant, self.session, self.time
        )
        self._values(rows)
        if prefix is None:
            return [(row["_id"], [row["p"]] if "p" in row else []) for row in rows.documents]
        return [(row["_id"], row["t"]) for row in rows.documents]

    def _values(self, rows: Rows) -> list[str]:
        if self.time is None:
            self.time = rows.cluster_time
        return [document["_id"] for document in rows.documents]


def context_of(type_: str, services: Services) -> MatchContext:
    """What matching on a type depends on, now."""
    base = services.settings.base
    return MatchContext(
        type_,
        services.registry,
        base,
        time.time_ns() // 1000,
        SearchConcepts(services.terminology, services.store, base),
    )
