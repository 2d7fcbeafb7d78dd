"""The resources that meet criteria, for conditional interactions and conditional references."""

from __future__ import annotations

from fhir_server.access.grant import Action, Grant
from fhir_server.errors import Forbidden, MalformedRequest, UnsupportedParameter
from fhir_server.exchange import Pairs
from fhir_server.interactions.finder import StoreFinder, context_of
from fhir_server.interactions.rows import Reader
from fhir_server.search.compile import CLINICAL, Query
from fhir_server.search.cursor import Cursor
from fhir_server.search.direction import Sieve, sieve
from fhir_server.search.reading import parse
from fhir_server.services import Services
from fhir_server.store.resources import Version
from fhir_server.store.transaction import Session

_LOT = 1000


async def matches(
    type_: str,
    pairs: Pairs,
    grant: Grant,
    services: Services,
    session: Session | None,
    *,
    limit: int | None = 2,
) -> list[Version]:
    """The resources of a type that meet the criteria, `limit` at most, all of them where None.

    Always strict, whatever handling the server or the caller prefers. Raises UnsupportedParameter
    for what is not understood, and MalformedRequest where no criterion is left: it would match
    everything.
    """
    finder = StoreFinder(services.store, grant, session)
    meant = await criteria_sieve(type_, pairs, services, finder)
    query = Query(type_, meant.filter, CLINICAL, sieve=meant if meant.rest else None)
    reader = Reader(services.store, grant, session, limit or _LOT, keys=False)
    found: list[Version] = []
    place: Cursor | None = Cursor((), time=finder.time)
    while place is not None:
        rows = await reader.read([query], place)
        found += rows.versions
        more = limit is None and rows.edges.after is not None
        place = Cursor(tuple(rows.edges.after or ()), time=rows.time) if more else None
    return found


async def criteria_sieve(
    type_: str, pairs: Pairs, services: Services, finder: StoreFinder
) -> Sieve:
    """The criteria compiled for the finder's caller; raises as `matches` does.

    Whether something matches tells of what is stored: Forbidden for who may not search.
    """
    if not finder.grant.allows(type_, Action.SEARCH):
        raise Forbidden(f"A condition is a search: it needs the right to search {type_}")
    search = parse((type_,), pairs, services.registry)
    if search.contained != "false":
        raise UnsupportedParameter(
            "_contained: a condition is about whole resources", expression="http._contained"
        )
    conditions = search.conditions[type_]
    if not conditions:
        raise MalformedRequest("No criteria: this would match every resource of the type")
    return await sieve(conditions, context_of(type_, services), finder)
