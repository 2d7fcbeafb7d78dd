"""What a transaction is about to write, as far as its conditions look for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.exchange import FhirRequest
from fhir_server.interactions.criteria import Criteria
from fhir_server.interactions.matching import criteria_filter
from fhir_server.interactions.steps import Step
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
        filter_ = await criteria_filter(
            criteria.type, criteria.pairs, self._request.grant, self._services, self._session
        )
        key = filter_.get("k")
        documents = self._documents[criteria.type]
        if isinstance(key, str) and key != "*":
            documents = self._by_key[criteria.type].get(key, [])
        return [document["_id"] for document in documents if meets(document, filter_)]

    def _index(self, type_: str) -> None:
        for step, id_ in self._waiting.pop(type_, ()):
            keys = self._services.indexer({**step.resource, "id": id_})
            document = searchable(id_, 0, keys)
            self._documents.setdefault(type_, []).append(document)
            by_key = self._by_key.setdefault(type_, {})
            for key in keys.k:
                by_key.setdefault(key, []).append(document)
