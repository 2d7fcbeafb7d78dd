"""Writing versions: the keys go with the resource, in the same operation.

https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fhir_server.access.grant import Action, Grant
from fhir_server.errors import FhirError, Forbidden
from fhir_server.store.blobs import Blobs, is_large
from fhir_server.store.database import Document
from fhir_server.store.groups import Group
from fhir_server.store.indexes import Collections
from fhir_server.store.insertion import Insertion
from fhir_server.store.outcomes import Outcome
from fhir_server.store.permission import BY_METHOD, demand
from fhir_server.store.replacement import Replaced, Replacement
from fhir_server.store.transaction import Session
from fhir_server.store.version import Version, current_document, history_document

LOT = 1_000
"""How many documents one command of a transaction carries."""

LANES = 4
CROWD = 16
"""Calls under way at once per type: MongoDB builds the indexes of each on a core of its own. But
the driver's work is in the number of calls: each further one is for so many that wait for it."""


class Writes:
    """Inserts and guarded replacements. Those outside a transaction are coalesced per type."""

    def __init__(self, collections: Collections, blobs: Blobs) -> None:
        self._collections = collections
        self._blobs = blobs
        self._inserts: dict[str, Group[Document, None]] = {}
        self._replacements: dict[str, Group[Replaced, None]] = {}

    async def insert(
        self, versions: Sequence[Version], grant: Grant, session: Session | None = None
    ) -> None:
        """Store resources that are new. Raises DuplicateId, Forbidden, TooLarge.

        Without a session each is stored for itself: the first error is raised after all are done.
        """
        _demand_all(grant, versions)
        await self._collections.ensure({version.type for version in versions})
        if len(versions) == 1 and session is None:
            version = await self._with_blob(versions[0])
            await self._inserting(version.type).submit(current_document(version))
            return
        if session is None:
            waiting = [
                self._inserting(version.type).submit(
                    current_document(await self._with_blob(version))
                )
                for version in versions
            ]
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            for error in errors:
                if error is not None:
                    raise error
            return
        await self._insert_within(versions, session)

    async def insert_all(self, versions: Sequence[Version], grant: Grant) -> Sequence[Outcome]:
        """Store resources that are new: the error of each, None where it is stored.

        Those of a type go out in one call, and wait for no others.
        """
        outcomes: list[Outcome] = [None] * len(versions)
        by_type: dict[str, list[tuple[int, Document]]] = {}
        for at, version in enumerate(versions):
            try:
                demand(grant, BY_METHOD[version.method], version)
                document = current_document(await self._with_blob(version))
            except FhirError as error:
                outcomes[at] = error
            else:
                by_type.setdefault(version.type, []).append((at, document))
        for type_, placed in by_type.items():
            insert = Insertion(self._collections, type_)
            stored: Sequence[Outcome]
            try:
                await self._collections.ensure([type_])
                stored = await insert([document for _, document in placed])
            except FhirError as error:
                stored = [error] * len(placed)
            for (at, _), outcome in zip(placed, stored, strict=True):
                outcomes[at] = outcome
        return outcomes

    async def replace(
        self, new: Version, old: Version, grant: Grant, session: Session | None = None
    ) -> None:
        """Put `new` (a deletion too) in the place of `old`, which goes to the history.

        Raises VersionConflict when `old` is no longer the current version, Forbidden when the
        grant does not permit it on the resource as it was and as it becomes.
        """
        if session is not None:
            for error in await self.replace_all([(new, old)], grant, session):
                if error is not None:
                    raise error
            return
        _demand_replacement(grant, new, old)
        await self._collections.ensure([new.type])
        group = self._replacements.get(new.type)
        if group is None:
            group = Group(Replacement(self._collections, new.type), lanes=LANES, crowd=CROWD)
            self._replacements[new.type] = group
        await group.submit(await self._replacement(new, old))

    async def replace_all(
        self, pairs: Sequence[tuple[Version, Version]], grant: Grant, session: Session
    ) -> Sequence[Outcome]:
        """As `replace`, of many pairs (new, old): the error of each, None where it is stored.

        Where there is an error others may not have been tried: the transaction must end.
        """
        outcomes: list[Outcome] = [_refusal(grant, *pair) for pair in pairs]
        if any(outcomes):
            return outcomes
        by_type: dict[str, list[int]] = {}
        for at, (new, _) in enumerate(pairs):
            by_type.setdefault(new.type, []).append(at)
        await self._collections.ensure(by_type)
        for type_, places in by_type.items():
            replace = Replacement(self._collections, type_, session)
            items = [await self._replacement(*pairs[at]) for at in places]
            for at, outcome in zip(places, await replace.within(items), strict=True):
                outcomes[at] = outcome
        return outcomes

    async def _insert_within(self, versions: Sequence[Version], session: Session) -> None:
        by_type: dict[str, list[Document]] = {}
        for version in versions:
            # A transaction has many, and few if any have something to wait for.
            if version.blob is not None or is_large(version):
                version = await self._with_blob(version)
            by_type.setdefault(version.type, []).append(current_document(version))
        for type_, documents in by_type.items():
            insertion = Insertion(self._collections, type_)
            for first in range(0, len(documents), LOT):
                await insertion.within(documents[first : first + LOT], session)

    async def _with_blob(self, version: Version) -> Version:
        if version.blob is not None:
            await self._blobs.keep(version)
            return version
        return await self._blobs.put(version) if is_large(version) else version

    async def _replacement(self, new: Version, old: Version) -> Replaced:
        document = current_document(await self._with_blob(new), old)
        return Replaced(history_document(old), document, old.version)

    def _inserting(self, type_: str) -> Group[Document, None]:
        group = self._inserts.get(type_)
        if group is None:
            group = self._inserts[type_] = Group(
                Insertion(self._collections, type_), lanes=LANES, crowd=CROWD
            )
        return group


def _demand_all(grant: Grant, versions: Sequence[Version]) -> None:
    """Raise Forbidden unless the grant permits to write each of the versions."""
    kinds = {(version.type, version.method) for version in versions}
    if any(grant.filter(type_, BY_METHOD[method]) for type_, method in kinds):
        for version in versions:
            demand(grant, BY_METHOD[version.method], version)


def _refusal(grant: Grant, new: Version, old: Version) -> Outcome:
    """Forbidden where the grant does not permit the replacement."""
    try:
        _demand_replacement(grant, new, old)
    except Forbidden as error:
        return error
    return None


def _demand_replacement(grant: Grant, new: Version, old: Version) -> None:
    demand(grant, Action.DELETE if new.deleted else Action.UPDATE, old)
    if not new.deleted:
        demand(grant, Action.UPDATE, new)
