"""What interactions work with: built once by the composition root, handed to every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex

from fhir_server.fhir.definitions import Definitions
from fhir_server.search.index import Indexer
from fhir_server.search.live import Live
from fhir_server.search.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.resources import Store
from fhir_server.store.terminology import Terminology
from fhir_server.validation import Validator


def new_id() -> str:
    """A fresh logical id: 128 random bits in hexadecimal, so that it tells nothing."""
    return token_hex(16)


@dataclass(frozen=True, slots=True)
class Services:
    """The server's parts. `cursor_key` signs paging cursors; all processes share it."""

    settings: Settings
    definitions: Definitions
    live: Live
    validator: Validator
    store: Store
    terminology: Terminology
    cursor_key: bytes
    new_id: Callable[[], str] = new_id

    @property
    def registry(self) -> Registry:
        """The parameters that can be searched by, now."""
        return self.live.registry

    @property
    def indexer(self) -> Indexer:
        """From a resource to its keys, as they are now."""
        return self.live.indexer
