"""The one table of routes, and the way from a request to its interaction.

HTTP, batch and transaction all come through `dispatch`. Each row declares what it needs of the
caller's grant; there is no other way to reach an interaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import NamedTuple

import msgspec

from fhir_server.access.grant import Action
from fhir_server.errors import (
    Forbidden,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    UnknownType,
)
from fhir_server.exchange import FhirRequest, FhirResponse, Target
from fhir_server.fhir.definitions import Definitions
from fhir_server.fhir.primitives import TEXT
from fhir_server.interactions.bundle import submit
from fhir_server.interactions.capabilities import capabilities
from fhir_server.interactions.conditional_delete import conditional_delete
from fhir_server.interactions.conditional_patch import conditional_patch
from fhir_server.interactions.conditional_update import conditional_update
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete
from fhir_server.interactions.history import history_instance, history_system, history_type
from fhir_server.interactions.patch import patch
from fhir_server.interactions.read import read
from fhir_server.interactions.search_compartment import search_compartment
from fhir_server.interactions.search_system import search_system
from fhir_server.interactions.search_type import search_type
from fhir_server.interactions.update import update
from fhir_server.interactions.vread import vread
from fhir_server.operations.table import OPERATIONS, Operation
from fhir_server.services import Services

Handler = Callable[[FhirRequest, Services], Awaitable[FhirResponse]]


class Route(NamedTuple):
    """One row: the interaction's code, how it is asked for, what it needs, who answers.

    `shape` is the path with its variable parts named. `action` is what the caller's grant must
    allow on the type; None where the interaction decides per entry, or is for everybody
    (`public`).
    """

    code: str
    method: str
    shape: str
    action: Action | None
    handler: Handler
    public: bool = False


async def _submit(request: FhirRequest, services: Services) -> FhirResponse:
    return await submit(request, services, dispatch)


ROUTES: tuple[Route, ...] = (
    Route("capabilities", "GET", "metadata", None, capabilities, public=True),
    Route("transaction", "POST", "", None, _submit),
    Route("search-system", "GET", "", Action.SEARCH, search_system),
    Route("search-system", "POST", "_search", Action.SEARCH, search_system),
    Route("history-system", "GET", "_history", Action.SEARCH, history_system),
    Route("create", "POST", "{type}", Action.CREATE, create),
    Route("search-type", "GET", "{type}", Action.SEARCH, search_type),
    Route("search-type", "POST", "{type}/_search", Action.SEARCH, search_type),
    Route("conditional-update", "PUT", "{type}", Action.UPDATE, conditional_update),
    Route("conditional-patch", "PATCH", "{type}", Action.UPDATE, conditional_patch),
    Route("conditional-delete", "DELETE", "{type}", Action.DELETE, conditional_delete),
    Route("history-type", "GET", "{type}/_history", Action.SEARCH, history_type),
    Route("read", "GET", "{type}/{id}", Action.READ, read),
    Route("update", "PUT", "{type}/{id}", Action.UPDATE, update),
    Route("patch", "PATCH", "{type}/{id}", Action.UPDATE, patch),
    Route("delete", "DELETE", "{type}/{id}", Action.DELETE, delete),
    Route("history-instance", "GET", "{type}/{id}/_history", Action.READ, history_instance),
    Route("vread", "GET", "{type}/{id}/_history/{version}", Action.READ, vread),
    Route("search-compartment", "GET", "{type}/{id}/{member}", Action.SEARCH, search_compartment),
    Route(
        "search-compartment",
        "POST",
        "{type}/{id}/{member}/_search",
        Action.SEARCH,
        search_compartment,
    ),
)

_BY_SHAPE: dict[str, dict[str, Route]] = {}
for _route in ROUTES:
    _BY_SHAPE.setdefault(_route.shape, {})[_route.method] = _route


class Match(msgspec.Struct, frozen=True):
    """What a method and a path come to: a route or an operation, and what the path names."""

    code: str
    action: Action | None
    handler: Handler
    target: Target
    public: bool = False


async def dispatch(request: FhirRequest, services: Services) -> FhirResponse:
    """The answer to a request: found by method and path, held against the grant, then carried out.

    Raises FhirError: 404 for a path that names nothing, 405 with `Allow`, 401 or 403 where the
    grant does not allow the interaction at all, and whatever the interaction raises.
    """
    found = match(request.method, request.path, services.definitions)
    request.target = found.target
    permit(request, found)
    return await found.handler(request, services)


def permit(request: FhirRequest, found: Match) -> None:
    """Raise unless the caller's grant could allow this interaction on some resource."""
    grant = request.grant
    if found.public:
        return
    if not grant.identified:
        raise Unauthenticated("Say who is calling: this server answers nobody it does not know")
    if not grant.rules:
        raise Forbidden("Your access token permits nothing here; ask for scopes about resources")
    type_ = found.target.type
    if type_ and found.action and not grant.allows(type_, found.action):
        raise Forbidden(f"Not permitted: {found.code} on {type_}")


def match(method: str, path: str, definitions: Definitions) -> Match:
    """The route and target of `method` and `path` (below the base, without slashes around it)."""
    shape, target = _shape(path, definitions)
    if target.operation:
        return _operation(method, target)
    routes = _BY_SHAPE[shape]
    route = routes.get("GET" if method == "HEAD" else method)
    if route is None:
        allowed = [*routes, "HEAD"] if "GET" in routes else list(routes)
        raise MethodNotAllowed(
            f"{method} is not possible here; use {' or '.join(allowed)}",
            headers=[("Allow", ", ".join(allowed))],
        )
    return Match(route.code, route.action, route.handler, target, route.public)


def _shape(path: str, definitions: Definitions) -> tuple[str, Target]:
    type_, *rest = path.split("/")
    if not definitions.is_resource(type_):
        match [type_, *rest]:
            case ["" | "metadata" | "_search" | "_history" as word]:
                return word, Target()
            case [word] if word.startswith("$"):
                return "", Target(operation=word[1:])
        raise UnknownType(_unknown_type(type_, definitions))
    match rest:
        case []:
            return "{type}", Target(type_)
        case [id_] if TEXT["id"](id_):
            return "{type}/{id}", Target(type_, id_)
        case ["_search" | "_history" as word]:
            return f"{{type}}/{word}", Target(type_)
        case [word] if word.startswith("$"):
            return "{type}", Target(type_, operation=word[1:])
    id_, *more = rest
    if not TEXT["id"](id_):
        raise MalformedRequest(
            f"'{id_[:80]}' is no id: 1 to 64 letters, digits, '-' and '.' make one"
        )
    match more:
        case ["_history"]:
            return "{type}/{id}/_history", Target(type_, id_)
        case ["_history", version]:
            return "{type}/{id}/_history/{version}", Target(type_, id_, version)
        case [word] if word.startswith("$"):
            return "{type}/{id}", Target(type_, id_, operation=word[1:])
        case [member, *search] if search in ([], ["_search"]):
            if member != "*" and not definitions.is_resource(member):
                raise UnknownType(_unknown_type(member, definitions))
            shape = "/".join(["{type}/{id}/{member}", *search])
            return shape, Target(type_, id_, member=member)
    raise NotFound(f"Nothing is at {path[:200]}; see GET metadata for what is")


def _operation(method: str, target: Target) -> Match:
    level = "instance" if target.id else "type" if target.type else "system"
    rows = [row for row in OPERATIONS if row.code == target.operation]
    for row in rows:
        if level in row.levels and (not row.types or not target.type or target.type in row.types):
            if method not in row.methods and not (method == "HEAD" and "GET" in row.methods):
                raise MethodNotAllowed(
                    f"${row.code} is asked for by {' or '.join(row.methods)}, not by {method}",
                    headers=[("Allow", ", ".join(row.methods))],
                )
            return Match(f"${row.code}", row.action, row.handler, target)
    if rows:
        where = "; ".join(_places(row) for row in rows)
        raise NotFound(f"${target.operation} is not offered here; it is on {where}")
    near = get_close_matches(target.operation, [row.code for row in OPERATIONS], 1)
    hint = f"; did you mean ${near[0]}?" if near else ""
    raise NotFound(f"There is no operation ${target.operation[:80]}{hint}", code="not-supported")


def _places(row: Operation) -> str:
    types = ", ".join(row.types) or "every type"
    names = {"system": "the base", "type": f"type {types}", "instance": f"an instance of {types}"}
    return " and ".join(names[level] for level in row.levels)


def _unknown_type(name: str, definitions: Definitions) -> str:
    near = get_close_matches(name, definitions.resource_types, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"'{name[:80]}' is no resource type of FHIR R4{hint}"
