"""What a search means as far as its text alone says: worked out once, kept for the next time.

The same searches come again and again: a view that is opened once more, a list that is polled.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from fhir_server.search import cursor
from fhir_server.search.compile import Part, compile_plain
from fhir_server.search.conditions import Plain
from fhir_server.search.kinds import MatchContext
from fhir_server.search.reading import parse
from fhir_server.search.registry import Registry
from fhir_server.search.request import Paging, SearchRequest, with_applied

Pairs = tuple[tuple[str, str], ...]

MOST_KEPT = 2_048
LONGEST_KEPT = 500
"""So many searches are kept, and so many characters one of them may have: some MB in all."""

_BY_TEXT = frozenset(("token", "string", "reference", "uri", "number", "quantity"))
_BY_OTHERS = frozenset(("above", "below", "in", "not-in"))


class Understood(NamedTuple):
    """A search: the request, its query as the self link has it, and the parts of its filter.

    The parts are by type; None where they depend on more than the text: on other resources, on
    terminology, or on the time of day.
    """

    request: SearchRequest
    query: str
    parts: Mapping[str, tuple[Part, ...]] | None


def understand(
    types: tuple[str, ...],
    pairs: Pairs,
    applied: Pairs,
    registry: Registry,
    base_url: str,
    *,
    lenient: bool,
    paging: Paging,
) -> Understood:
    """What `pairs` ask for on `types`; `applied` goes before what was applied of them.

    `base_url` is the server's own. Raises as `parse` does, and what the kinds raise for values.
    """
    work_out = _kept if _worth_keeping(pairs) else _kept.__wrapped__
    return work_out(types, pairs, applied, registry, base_url, lenient, paging)


def _worth_keeping(pairs: Pairs) -> bool:
    length = 0
    for name, value in pairs:
        if name == cursor.PARAMETER:  # each page is asked for once
            return False
        length += len(name) + len(value)
    return length <= LONGEST_KEPT


@lru_cache(maxsize=MOST_KEPT)
def _kept(
    types: tuple[str, ...],
    pairs: Pairs,
    applied: Pairs,
    registry: Registry,  # another one after each change of the search parameters
    base_url: str,
    lenient: bool,
    paging: Paging,
) -> Understood:
    request = parse(types, pairs, registry, lenient=lenient, paging=paging)
    if applied:
        request = with_applied(request, applied)
    return Understood(request, request.query, _parts(request, registry, base_url))


def _parts(
    request: SearchRequest, registry: Registry, base_url: str
) -> dict[str, tuple[Part, ...]] | None:
    if request.contained != "false":
        return None
    found = {}
    for type_, conditions in request.conditions.items():
        plain = [one for one in conditions if isinstance(one, Plain) and _is_by_text(one)]
        if len(plain) < len(conditions):
            return None
        context = MatchContext(type_, registry, base_url, now=0)
        found[type_] = tuple([compile_plain(one, context, plain) for one in plain])
    return found


def _is_by_text(plain: Plain) -> bool:
    """Whether the same is found by it whenever it is asked, as long as the resources are the same.

    `above` and `below` go by terminology or other resources, `ap` of dates by the time of day.
    """
    if plain.modifier in _BY_OTHERS:
        return False
    if plain.parameter.type == "date":
        return not any(value.startswith("ap") for value in plain.values)
    return plain.parameter.type in _BY_TEXT
