"""$graphql: a query of one resource, or of the whole server, by GET and by POST.

https://hl7.org/fhir/R4/graphql.html and https://hl7.org/fhir/R4/resource-operation-graphql.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphql import GraphQLError

from fhir_server.errors import FhirError, MalformedContent, MalformedRequest, UnsupportedMediaType
from fhir_server.exchange import FhirRequest, FhirResponse
from fhir_server.fhir import codec
from fhir_server.interactions.content import media_type
from fhir_server.operations.arguments import PRESENTATION
from fhir_server.operations.graphql.checking import check
from fhir_server.operations.graphql.collecting import Collector
from fhir_server.operations.graphql.document import Refused, read_query
from fhir_server.operations.graphql.fields import ROOT, Fields
from fhir_server.operations.graphql.loading import Loader
from fhir_server.operations.graphql.resolving import Node, Resolver, Unresolved
from fhir_server.operations.graphql.walking import Walker, located
from fhir_server.services import Services

_HEADERS = {"content-type": "application/json; charset=utf-8"}


class Call(NamedTuple):
    """What was sent: the document, which of its operations, and the variables."""

    query: str
    operation_name: str
    variables: dict[str, Any]


async def graphql(request: FhirRequest, services: Services) -> FhirResponse:
    """200 with `data`, and `errors` for the parts that failed.

    A query that cannot be carried out at all has errors alone, under the status of its fault: 400,
    404 for an instance that is not there, 422 for one that reads too much or has a reference that
    leads nowhere.
    """
    try:
        call = read_call(request)
        query = read_query(call.query, call.operation_name, call.variables)
        type_, id_ = request.target.type, request.target.id
        fields = Fields(services.definitions)
        loading = check(query, type_ or ROOT, fields)
        loader = Loader(request, services)
        nothing: dict[str, Any] = {}
        root = Node(ROOT, nothing, nothing)
        if type_:
            resource = await loader.read(type_, id_)
            root = Node(type_, resource, resource)
        collector, resolver = Collector(query, fields), Resolver(fields, loader)
        walker = Walker(query, collector, resolver, loading)
        data = await walker.walk(root)
    except Refused as refused:
        issues = [MalformedRequest(error.message) for error in refused.errors]
        errors = [
            GraphQLError(
                error.message,
                error.nodes,
                error.source,
                error.positions,
                extensions=located(issue, None, None).extensions,
            )
            for error, issue in zip(refused.errors, issues, strict=True)
        ]
        return _answer(400, None, errors)
    except Unresolved as error:
        node, path = error.place or (None, None)
        return _answer(error.status, None, [located(error, node, path)])
    except FhirError as error:
        return _answer(error.status, None, [located(error, None, None)])
    return _answer(200, data, walker.errors)


def read_call(request: FhirRequest) -> Call:
    """The call in the URL or the body. Raises MalformedRequest and MalformedContent."""
    given: dict[str, Any] = {}
    for name, value in request.query:
        if name in PRESENTATION:
            continue
        if name not in ("query", "operationName", "variables"):
            raise MalformedRequest(
                f"$graphql has no parameter {name[:80]}; it takes query, operationName, variables",
                expression=f"http.{name[:80]}",
            )
        given[name] = _json(value) if name == "variables" and value else value
    if request.method == "POST":
        given |= _body(request)
    query = given.get("query")
    if not isinstance(query, str) or not query.strip():
        raise MalformedRequest("There is no query: send GraphQL as `query`, or as the body")
    variables = given.get("variables") or {}
    if not isinstance(variables, dict):
        raise MalformedRequest("variables must be an object in JSON")
    return Call(query, str(given.get("operationName") or ""), variables)


def _body(request: FhirRequest) -> dict[str, Any]:
    if not request.body:
        return {}
    media = media_type(request)
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise MalformedContent("The body is not UTF-8") from None
    if media == "application/graphql":
        return {"query": text}
    if media != "application/json":
        raise UnsupportedMediaType(
            f"Content-Type '{media[:80]}' is not read here; "
            "send application/json or application/graphql"
        )
    found = _json(text)
    if not isinstance(found, dict):
        raise MalformedContent('The body must be an object: {"query": "..."}')
    return found


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedContent("This is no JSON") from None


def _answer(
    status: int, data: dict[str, Any] | None, errors: Sequence[GraphQLError]
) -> FhirResponse:
    answer: dict[str, Any] = {}
    if errors:
        answer["errors"] = [error.formatted for error in errors]
    if data is not None:
        answer["data"] = data
    return FhirResponse(status, codec.encode(answer), dict(_HEADERS), fhir=False)
