"""Code systems that another terminology server answers for.

Used only where a deployer names the server and the systems. Each question waits a bounded time; its
answer is kept for a while. Where the server is down, Unavailable says so.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import msgspec

from fhir_server.errors import Unavailable
from fhir_server.terminology.code_system import Head, Query
from fhir_server.terminology.concept import Concept, Designation, Property, designations_of

Json = dict[str, Any]

PATIENCE = 5.0
"""Seconds that one question may take."""

KEPT_SECONDS = 3600.0
KEPT = 10_000
LARGEST = 32 * 1024 * 1024
"""Bytes of one answer."""


class ExternalServer:
    """The FHIR terminology server at `base`, asked for `systems` alone."""

    def __init__(self, base: str, systems: Sequence[str], patience: float = PATIENCE) -> None:
        self.base = base.rstrip("/")
        self.systems = frozenset(systems)
        self._patience = patience
        self._client = httpx.AsyncClient(
            timeout=patience,
            trust_env=False,
            headers={"Accept": "application/fhir+json", "Content-Type": "application/fhir+json"},
        )
        self._answers: OrderedDict[tuple[str, str], tuple[float, Json | None]] = OrderedDict()

    def code_system(self, url: str) -> ExternalCodeSystem | None:
        """The code system; None where this server is not to be asked for it."""
        return ExternalCodeSystem(self, url) if url in self.systems else None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def ask(self, operation: str, *rows: Json) -> Json | None:
        """The answer to an operation with these parameters; None where it says that it has none.

        Raises Unavailable where the server does not answer in time, or not in FHIR.
        """
        body = msgspec.json.encode({"resourceType": "Parameters", "parameter": list(rows)})
        key = (operation, body.decode())
        kept = self._answers.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        answer = await self._send(operation, body)
        self._answers[key] = (time.monotonic() + KEPT_SECONDS, answer)
        while len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        return answer

    async def _send(self, operation: str, body: bytes) -> Json | None:
        try:
            # httpx bounds each wait; somebody who sends drop by drop is bounded here.
            async with asyncio.timeout(self._patience):
                response = await self._client.post(f"{self.base}/{operation}", content=body)
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._down(type(error).__name__) from error
        if response.status_code in (400, 404, 422):
            return None  # no such code, or no such filter
        if not response.is_success or len(response.content) > LARGEST:
            raise self._down(f"it answered {response.status_code}")
        try:
            found = msgspec.json.decode(response.content)
        except msgspec.DecodeError as error:
            raise self._down("its answer is no JSON") from error
        if not isinstance(found, dict):
            raise self._down("its answer is no resource")
        return found

    def _down(self, why: str) -> Unavailable:
        return Unavailable(
            f"The terminology server {self.base} cannot be asked now ({why}); "
            "it answers here for " + ", ".join(sorted(self.systems)),
            headers=[("Retry-After", "10")],
        )


class ExternalCodeSystem:
    """A code system on that server."""

    listed = True

    def __init__(self, server: ExternalServer, url: str) -> None:
        self._server = server
        self.head = Head(url, filters=None)

    async def find(self, codes: Sequence[str]) -> dict[str, Concept]:
        """As `CodeSystem.find`, one question for each code."""
        found = {}
        for code in codes:
            answer = await self._server.ask(
                "CodeSystem/$lookup",
                {"name": "system", "valueUri": self.head.url},
                {"name": "code", "valueCode": code},
            )
            if answer is not None:
                found[code] = _looked_up(code, answer)
        return found

    async def select(self, query: Query) -> AsyncIterator[Concept]:
        """As `CodeSystem.select`."""
        expansion = await self._expand(query, query.skip, query.limit)
        waiting = list(reversed(expansion.get("contains", ())))
        while waiting:
            row = waiting.pop()
            waiting += reversed(row.get("contains", ()))
            if row.get("code"):
                yield Concept(
                    row["code"],
                    row.get("display", ""),
                    properties=tuple(
                        Property(name, "valueBoolean", True)
                        for flag, name in (("inactive", "inactive"), ("abstract", "notSelectable"))
                        if row.get(flag)
                    ),
                    designations=designations_of(row),
                )

    async def count(self, query: Query, most: int) -> int:
        """As `CodeSystem.count`; as many as can be where the server does not say."""
        total = (await self._expand(query, 0, 0)).get("total")
        return min(total, most + 1) if isinstance(total, int) else most + 1

    async def ancestors(self, concept: Concept) -> frozenset[str]:
        """As `CodeSystem.ancestors`."""
        return frozenset(await self._codes("generalizes", concept.code)) - {concept.code}

    async def children(self, code: str) -> list[str]:
        """As `CodeSystem.children`."""
        return await self._codes("=", code, property_="parent")

    async def _codes(self, op: str, value: str, property_: str = "concept") -> list[str]:
        expansion = await self._compose([{"property": property_, "op": op, "value": value}])
        return [row["code"] for row in expansion.get("contains", ()) if "code" in row]

    async def _expand(self, query: Query, skip: int, limit: int | None) -> Json:
        rows: list[Json] = [{"name": "offset", "valueInteger": skip}]
        if limit is not None:
            rows.append({"name": "count", "valueInteger": limit})
        if query.words:
            rows.append({"name": "filter", "valueString": " ".join(query.words)})
        if query.active_only:
            rows.append({"name": "activeOnly", "valueBoolean": True})
        filters = [
            {"property": one.property, "op": one.op, "value": one.value} for one in query.filters
        ]
        return await self._compose(filters, *rows)

    async def _compose(self, filters: Sequence[Json], *rows: Json) -> Json:
        include: Json = {"system": self.head.url}
        if filters:
            include["filter"] = list(filters)
        value_set = {
            "resourceType": "ValueSet",
            "status": "active",
            "compose": {"include": [include]},
        }
        answer = await self._server.ask(
            "ValueSet/$expand", {"name": "valueSet", "resource": value_set}, *rows
        )
        expansion: Json = (answer or {}).get("expansion") or {}
        return expansion


def _looked_up(code: str, answer: Json) -> Concept:
    display, properties, designations, parents = "", [], [], []
    for row in answer.get("parameter", ()):
        parts = {part.get("name"): part for part in row.get("part", ())}
        match row.get("name"):
            case "display":
                display = row.get("valueString", "")
            case "designation":
                designations.append(
                    Designation(
                        parts.get("value", {}).get("valueString", ""),
                        parts.get("language", {}).get("valueCode", ""),
                        parts.get("use", {}).get("valueCoding"),
                    )
                )
            case "property":
                name = _value(parts.get("code", {}))[1]
                kind, value = _value(parts.get("value", {}))
                if name == "parent":
                    parents.append(str(value))
                elif kind and name != "child":
                    properties.append(Property(str(name), kind, value))
    return Concept(code, display, "", tuple(parents), tuple(properties), tuple(designations))


def _value(part: Json) -> tuple[str, Any]:
    return next(((name, v) for name, v in part.items() if name.startswith("value")), ("", ""))
