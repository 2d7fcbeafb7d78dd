"""The one table of operations: routing, CapabilityStatement and docs are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fhir_server.access.grant import Action
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.services import Services


class Operation(NamedTuple):
    """One operation.

    `levels` are among system, type and instance; no `types` means every type; `action` is what the
    caller's grant must allow on the type before the operation is reached at all.
    """

    code: str
    levels: tuple[str, ...]
    types: tuple[str, ...]
    methods: tuple[str, ...]
    action: Action
    handler: Callable[[FhirRequest, Services], Awaitable[FhirResponse]]
    definition: str


OPERATIONS: tuple[Operation, ...] = ()
