"""What a transaction is about to write, as far as its conditions look for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.access.grant import Filter
from fhir_server.exchange import FhirRequest
from fhir_server.interactions.criteria import Criteria
from fhir_server.interactions.finder import StoreFinder
from fhir_server.interactions.matching import criteria_sieve
from fhir_server.interactions.steps import Step
from fhir_server.search.chain import TooMany, id_in
from fhir_server.search.meets import meets, searchable
from fhir_server.services import Services
from fhir_server.store.transaction import Session

Document = Mapping[str, Any]


class Candidates:
    """Resources of the Bundle that conditions may find, and stored ones that they no longer may.

    The keys of a type are made when somebody first looks for it: most Bundles never do.
    """

    def __init__(self, request: FhirRequest, services: Services, session: Session | None) -> None:
        self._request = request
        self._services = services
        self._session = session
        self._hidden: dict[str, set[str]] = {}
        self._waiting: dict[str, list[tuple[Step, str]]] = {}
        self._documents: dict[str, list[Document]] = {}
        self._by_key: dict[str, dict[str, list[Document]]] = {}

    def hide(self, type_: str, id_: str) -> None:
        """The stored resource is deleted or replaced in this transaction."""
        self._hidden.setdefault(type_, set()).add(id_)

    def hidden(self, type_: str) -> set[str]:
        """The ids of a type that are deleted or replaced."""
        return self._hidden.get(type_, set())

    def add(self, step: Step, id_: str) -> None:
        """The content of the step will be there under the id."""
        self._waiting.setdefault(step.type, []).append((step, id_))

    async def matches(self, criteria: Criteria) -> Sequence[str]:
        """The ids of those that meet the criteria."""
        self._index(criteria.type)
        if criteria.type not in self._documents:
            return ()
        finder = StoreFinder(self._services.store, self._request.grant, self._session)
        meant = await criteria_sieve(criteria.type, criteria.pairs, self._services, finder)
        key = meant.filter["k"]
        documents = self._documents[criteria.type]
        if isinstance(key, str) and key != "*":
            documents = self._by_key[criteria.type].get(key, [])
        found = {one["_id"]: one for one in documents if meets(one, meant.filter)}
        try:
            kept = await meant.kept(found, _AtHand(found))
        except TooMany:
            filter_ = await meant.followed()
            kept = {id_ for id_, document in found.items() if meets(document, filter_)}
        return [id_ for id_ in found if id_ in kept]

    def _index(self, type_: str) -> None:
        for step, id_ in self._waiting.pop(type_, ()):
            keys = self._services.indexer({**step.resource, "id": id_})
            document = searchable(id_, 0, keys)
            self._documents.setdefault(type_, []).append(document)
            by_key = self._by_key.setdefault(type_, {})
            for key in keys.k:
                by_key.setdefault(key, []).append(document)


@dataclass(frozen=True, slots=True)
class _AtHand:
    """`search.near.Here` of resources that are not stored yet, by their ids."""

    documents: Mapping[str, Document]

    async def meeting(self, ids: Collection[str], filter_: Filter) -> set[str]:
        """Those of the ids whose resources meet the filter."""
        return {id_ for id_ in ids if meets(self.documents[id_], filter_)}

    async def targets(self, ids: Collection[str], prefix: str | None) -> Mapping[str, set[str]]:
        """By their ids what they point at."""
        if prefix is None:
            patients = {id_: self.documents[id_]["p"] for id_ in ids}
            return {id_: {patient} for id_, patient in patients.items() if patient}
        return {
            id_: {id_in(key, prefix) for key in self.documents[id_]["k"] if key.startswith(prefix)}
            for id_ in ids
        }
