"""What searching and indexing know at this moment: replaced as a whole, never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fhir_server.search.index import Indexer
from fhir_server.search.registry import Registry


@dataclass(slots=True)
class Live:
    """The registry that searches are read by, and the indexer of what is written.

    The indexer may know more: a SearchParameter that was added is written for before it can be
    searched by. `indexed` is the registry it has; `sources` says by which SearchParameter resource
    each of the added ones (by canonical url) came.
    """

    registry: Registry
    indexer: Indexer
    indexed: Registry
    sources: Mapping[str, str] = field(default_factory=dict)
