"""Searches for resources that are contained in others: `_contained` and `_containedType`.

The keys of contained resources lie in the document of their container, under `c`; the container has
the key `#Type` for each type that it contains. A container is shown where its own grant shows it.
https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from fhir_server.access.grant import NOTHING, Action, Filter
from fhir_server.errors import UnsupportedParameter
from fhir_server.exchange import FhirRequest
from fhir_server.fhir import codec
from fhir_server.search.compile import Query, plan
from fhir_server.search.request import SearchRequest
from fhir_server.services import Services
from fhir_server.store.resources import Version


async def container_queries(
    type_: str,
    filter_: Filter,
    compartment: str,
    asked: SearchRequest,
    request: FhirRequest,
    services: Services,
) -> list[Query]:
    """One query for each type of resource that contains such as meet the filter.

    Raises UnsupportedParameter for an order other than `_lastUpdated`, and for a distance.
    """
    if _computes(filter_):
        raise UnsupportedParameter(
            "near: the distance of contained resources is not known; leave _contained out",
            expression="http.near",
        )
    met: list[Filter] = [{"c": {"$elemMatch": {"type": type_, **filter_}}}]
    if compartment:
        met.append({"k": f"in={compartment}"})
    around = {"k": _mark(type_), "$and": met}
    # A query that finds nothing goes first: with several queries always, the pages are merged
    # always, whatever types are stored meanwhile, and the order is held against that.
    nothing: Filter = {"k": _mark(""), "$and": [NOTHING]}
    return [
        plan(type_, nothing, asked.sort, alone=False),
        *(
            plan(container, around, asked.sort, alone=False)
            for container in await services.store.types()
            if request.grant.allows(container, Action.SEARCH)
            and not (asked.contained == "both" and container == type_)
        ),
    ]


async def contained_in(
    versions: Sequence[Version],
    queries: Sequence[Query],
    request: FhirRequest,
    services: Services,
    time: int | None,
) -> list[Version]:
    """The rows with the contained resources that were meant in the place of their containers.

    They have ids such as `1#med`, so that their URLs are the container's with a fragment.
    """
    meant: dict[tuple[str, str], list[str]] = {}
    own = {query.type for query in queries if not _is_around(query)}
    for query in queries:
        ids = [version.id for version in versions if version.type == query.type]
        if not ids or not _is_around(query):
            continue
        these: Filter = {"k": query.filter["k"], "$and": [{"_id": {"$in": ids}}]}
        rows = await services.store.selections.ordered(
            query.type,
            these,
            [
                {"$project": {"c": 1}},
                {"$unwind": "$c"},
                {"$set": {"c": ["$c"]}},
                {"$match": query.filter["$and"][0]},
                {"$project": {"inside": {"$first": "$c._id"}}},
            ],
            request.grant,
            request.session,
            time,
        )
        for row in rows.documents:
            meant.setdefault((query.type, row["_id"]), []).append(row["inside"])
    found: list[Version] = []
    for version in versions:
        inside = meant.get((version.type, version.id), [])
        if not inside and version.type in own:
            found.append(version)
            continue
        for resource in codec.value(version.raw).get("contained", ()):
            id_ = resource.get("id", "")
            if id_ in inside:
                raw = codec.encode(resource)
                found.append(replace(version, id=f"{version.id}#{id_}", raw=raw))
    return found


def _computes(filter_: Filter) -> bool:
    """Whether something in the filter is an expression: MongoDB has none within an array."""
    return "$expr" in filter_ or any(
        _computes(part) for name in ("$and", "$or", "$nor") for part in filter_.get(name, ())
    )


def _mark(type_: str) -> str:
    return f"#{type_}"


def _is_around(query: Query) -> bool:
    key = query.filter["k"]
    return isinstance(key, str) and key.startswith("#")
