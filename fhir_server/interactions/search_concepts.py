"""The concepts that `:in`, `:not-in`, `:below` and `:above` of a token search stand for.

https://hl7.org/fhir/R4/search.html#token. They are asked for before the search is compiled, which
is done without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.errors import FhirError, MalformedRequest, NotFound, TooCostly, Unprocessable
from fhir_server.fhir import codec
from fhir_server.search.kinds.token import split
from fhir_server.search.values import unescape
from fhir_server.store.resources import Store
from fhir_server.store.terminology import GRANT, Terminology
from fhir_server.terminology.code_system import CodeSystem, Filter, Query
from fhir_server.terminology.library import canonical
from fhir_server.terminology.preparation import prepare as prepared

Concepts = Sequence[tuple[str, str]]

MOST = 10_000
"""Codes that one value of a search may stand for."""


class SearchConcepts:
    """`search.kinds.Terminology` for one search; `base` is the server's own base URL."""

    def __init__(self, terminology: Terminology, store: Store, base: str) -> None:
        self._terminology = terminology
        self._store = store
        self._base = base
        self._members: dict[str, Concepts] = {}
        self._related: dict[tuple[str, str | None, str], Concepts] = {}

    async def prepare(self, code: str, modifier: str, values: Sequence[str]) -> None:
        """Find what the values of `code:modifier=` stand for; what cannot be found is raised."""
        for value in values:
            if modifier in ("in", "not-in"):
                name = unescape(value)
                if name not in self._members:
                    self._members[name] = await self._expand(code, name)
            elif modifier in ("above", "below"):
                system, concept = split(code, value)
                key = (modifier, system, concept)
                if key not in self._related:
                    self._related[key] = await self._relate(code, *key)

    def below(self, system: str | None, code: str) -> Concepts:
        """The concept and all that it subsumes, as prepared."""
        return self._related["below", system, code]

    def above(self, system: str | None, code: str) -> Concepts:
        """The concept and all that subsume it, as prepared."""
        return self._related["above", system, code]

    def expand(self, value_set: str) -> Concepts:
        """The members of a value set, as prepared."""
        return self._members[value_set]

    async def _expand(self, code: str, name: str) -> Concepts:
        try:
            resource = await self._value_set(name)
            if resource is None:
                raise NotFound(f"The value set {name[:200]} is not known here")
            ready = await prepared(resource, self._terminology)
            found = []
            async for member in ready.members(Query()):
                found.append((member.system, member.concept.code))
                if len(found) > MOST:
                    raise _too_many(name)
            return found
        except FhirError as error:
            raise _about(code, error) from error

    async def _value_set(self, name: str) -> dict[str, object] | None:
        reference = name.removeprefix(f"{self._base}/")
        type_, slash, id_ = reference.partition("/")
        if type_ == "ValueSet" and slash and "/" not in id_:
            stored = await self._store.read("ValueSet", id_, GRANT)
            resource: dict[str, object] = codec.value(stored.raw)
            return resource
        return await self._terminology.value_set(*canonical(name))

    async def _relate(
        self, parameter: str, modifier: str, system: str | None, code: str
    ) -> Concepts:
        if not system or not code:
            raise MalformedRequest(
                f"{parameter}:{modifier} takes system|code", expression=f"http.{parameter}"
            )
        try:
            known = await self._terminology.code_system(*canonical(system))
            concept = (await known.find((code,))).get(code) if known else None
            if known is None:
                raise NotFound(f"The code system {system[:200]} is not known here")
            if concept is None:
                raise NotFound(f"The code '{code[:100]}' is not in {known.head.canonical}")
            if modifier == "above":
                codes = [concept.code, *sorted(await known.ancestors(concept))]
            else:
                codes = await _below(known, concept.code)
            return [(known.head.url, one) for one in codes]
        except FhirError as error:
            raise _about(parameter, error) from error


async def _below(system: CodeSystem, code: str) -> list[str]:
    if not system.listed:
        return [code]
    asked = Query((Filter("concept", "is-a", code),), limit=MOST + 1)
    codes = [one.code async for one in system.select(asked)]
    if len(codes) > MOST:
        raise _too_many(f"What {code} of {system.head.url} subsumes")
    return codes


def _too_many(what: str) -> TooCostly:
    return TooCostly(f"{what} is more than the {MOST:,} codes that a search may stand for")


def _about(parameter: str, error: FhirError) -> FhirError:
    """The error as one of the request: what it names is not there, or is no use."""
    if not isinstance(error, NotFound | Unprocessable):
        return error
    return MalformedRequest(str(error), code=error.issues[0].code, expression=f"http.{parameter}")
