"""The one table of operations: routing, CapabilityStatement and docs are made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from fhir_server.access.grant import Action
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.operations.closure import closure
from fhir_server.operations.everything import everything
from fhir_server.operations.expand import expand
from fhir_server.operations.explain import explain
from fhir_server.operations.find_matches import find_matches
from fhir_server.operations.graphql.operation import graphql
from fhir_server.operations.lastn import lastn
from fhir_server.operations.lookup import lookup
from fhir_server.operations.meta import meta, meta_add, meta_delete
from fhir_server.operations.snapshot import snapshot
from fhir_server.operations.subsumes import subsumes
from fhir_server.operations.translate import translate
from fhir_server.operations.validate import validate
from fhir_server.operations.validate_code import validate_in_code_system, validate_in_value_set
from fhir_server.services import Services

Handler = Callable[[FhirRequest, Services], Awaitable[FhirResponse]]


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
    handler: Handler
    definition: str


_DEFINITIONS = "http://hl7.org/fhir/OperationDefinition/"
_OWN = "urn:fhir-server:OperationDefinition:"
_ANYWHERE = ("system", "type", "instance")
_BOTH = ("GET", "POST")


def _terminology(
    type_: str,
    code: str,
    handler: Handler,
    levels: tuple[str, ...] = ("type", "instance"),
) -> Operation:
    definition = f"{_DEFINITIONS}{type_}-{code}"
    return Operation(code, levels, (type_,), _BOTH, Action.READ, handler, definition)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "validate",
        ("type", "instance"),
        (),
        _BOTH,
        Action.READ,
        validate,
        f"{_DEFINITIONS}Resource-validate",
    ),
    Operation(
        "snapshot",
        ("type", "instance"),
        ("StructureDefinition",),
        _BOTH,
        Action.READ,
        snapshot,
        f"{_DEFINITIONS}StructureDefinition-snapshot",
    ),
    Operation("meta", _ANYWHERE, (), _BOTH, Action.READ, meta, f"{_DEFINITIONS}Resource-meta"),
    Operation(
        "meta-add",
        ("instance",),
        (),
        ("POST",),
        Action.UPDATE,
        meta_add,
        f"{_DEFINITIONS}Resource-meta-add",
    ),
    Operation(
        "meta-delete",
        ("instance",),
        (),
        ("POST",),
        Action.UPDATE,
        meta_delete,
        f"{_DEFINITIONS}Resource-meta-delete",
    ),
    Operation(
        "everything",
        ("instance",),
        ("Patient",),
        _BOTH,
        Action.READ,
        everything,
        f"{_DEFINITIONS}Patient-everything",
    ),
    Operation(
        "everything",
        ("instance",),
        ("Encounter",),
        _BOTH,
        Action.READ,
        everything,
        f"{_DEFINITIONS}Encounter-everything",
    ),
    Operation(
        "lastn",
        ("type",),
        ("Observation",),
        _BOTH,
        Action.SEARCH,
        lastn,
        f"{_DEFINITIONS}Observation-lastn",
    ),
    Operation(
        "graphql",
        ("system", "instance"),
        (),
        _BOTH,
        Action.READ,
        graphql,
        f"{_DEFINITIONS}Resource-graphql",
    ),
    Operation(
        "explain",
        ("system", "type"),
        (),
        _BOTH,
        Action.SEARCH,
        explain,
        f"{_OWN}explain",
    ),
    _terminology("ValueSet", "expand", expand),
    _terminology("ValueSet", "validate-code", validate_in_value_set),
    _terminology("CodeSystem", "validate-code", validate_in_code_system),
    _terminology("CodeSystem", "lookup", lookup, ("type",)),
    _terminology("CodeSystem", "subsumes", subsumes),
    _terminology("CodeSystem", "find-matches", find_matches),
    _terminology("ConceptMap", "translate", translate),
    Operation(
        "closure",
        ("system",),
        (),
        ("POST",),
        Action.READ,
        closure,
        f"{_DEFINITIONS}ConceptMap-closure",
    ),
)
