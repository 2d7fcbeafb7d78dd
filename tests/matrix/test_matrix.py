"""Every route and operation for every kind of caller: the status, and of searches the very ids.

The columns are in `callers.py`, the rows in `requests.py`; what is expected is reckoned from what
is written down there by hand, never from the server's own tables.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.dispatch import ROUTES
from fhir_server.operations.table import OPERATIONS, Operation
from tests.callers import Served, observation, served
from tests.matrix.callers import CALLERS, EVERYTHING, Caller
from tests.matrix.requests import ASKED, FORM, LAB_A, LABEL, Asked

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Organization", "id": "g", "name": "Group"},
    {"resourceType": "Patient", "id": "a", "name": [{"family": "A"}]},
    {"resourceType": "Patient", "id": "b", "name": [{"family": "B"}]},
    LAB_A,
    observation("vital-a", "a", "vital-signs"),
    observation("lab-b", "b"),
    *(
        {"resourceType": "Condition", "id": f"k-{id_}", "subject": {"reference": f"Patient/{id_}"}}
        for id_ in "ab"
    ),
    *(
        {
            **{"resourceType": "Encounter", "id": f"e-{id_}", "status": "finished"},
            **{"class": {"code": "AMB"}, "subject": {"reference": f"Patient/{id_}"}},
        }
        for id_ in "ab"
    ),
    {"resourceType": "Device", "id": "d"},
    {"resourceType": "Basic", "id": "x", "code": {"text": "x"}},
    {"resourceType": "Task", "id": "t", "status": "draft", "intent": "order"},
]


class World:
    """The server and the callers' tokens."""

    def __init__(self, served: Served, tokens: dict[str, str | None]) -> None:
        self.served = served
        self.tokens = tokens
        self.numbers = count()

    async def ask(self, asked: Asked, caller: Caller) -> tuple[int, bytes]:
        """Status and body of the answer; what is written to is as it was at first."""
        headers = dict(asked.headers)
        content = asked.body
        if content is not None:
            headers["Content-Type"] = asked.media
            content = content if isinstance(content, str) else json.dumps(content)
        path = asked.path
        if "unused" in path:  # an id that no other caller has made
            fresh = f"unused-{next(self.numbers)}"
            path, content = path.replace("unused", fresh), content.replace("unused", fresh)
        if asked.method not in ("GET", "HEAD") and asked.media != FORM:
            await self.served.put(LAB_A)
        answer = await self.served.ask(
            *(asked.method, path, self.tokens[caller.name]),
            **{"headers": headers, "content": content},
        )
        return answer.status_code, answer.content

    async def clean(self) -> None:
        """Take away what the last row made."""
        for type_ in ("Observation", "Organization"):
            found = await self.served.ask("GET", f"{type_}?_count=1000", self.tokens["system"])
            for entry in found.json().get("entry", ()):
                place = f"{type_}/{entry['resource']['id']}"
                if place not in EVERYTHING:
                    await self.served.remove(place)
        await self.served.put(LAB_A)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(mongodb: str) -> AsyncIterator[World]:
    """One server for all cells."""
    async with served(mongodb, "test_matrix") as running:
        for resource in RESOURCES:
            await running.put(resource)
        tokens = {caller.name: await caller.token(running) for caller in CALLERS}
        yield World(running, tokens)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
async def test_every_caller_is_answered_as_the_table_says(asked: Asked, world: World) -> None:
    wrong: list[str] = []
    for caller in CALLERS:
        status, body = await world.ask(asked, caller)
        expected = asked.expected(caller)
        if status != expected:
            wrong.append(f"{caller.name}: {status} and not {expected}: {body[:200]!r}")
        elif status == 200 and asked.found is not None:
            shown = {
                f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
                for entry in json.loads(body).get("entry", ())
                if "resource" in entry
            } & EVERYTHING
            if shown != asked.shown(caller):
                wanted = sorted(asked.shown(caller))
                wrong.append(f"{caller.name}: {sorted(shown)} and not {wanted}")
        if status == 401 and b"OperationOutcome" not in body and asked.method != "HEAD":
            wrong.append(f"{caller.name}: 401 without an OperationOutcome")
    if asked.method not in ("GET", "HEAD"):
        await world.clean()
    assert not wrong, "\n".join(wrong)


def _places() -> list[tuple[Operation, str, str]]:
    """Every operation with every level and method."""
    found = []
    for operation in OPERATIONS:
        type_ = operation.types[0] if operation.types else "Observation"
        id_ = {"Patient": "b", "Encounter": "e-b", "Observation": "lab-b"}.get(type_, "none")
        paths = {"system": "", "type": f"{type_}/", "instance": f"{type_}/{id_}/"}
        for level in operation.levels:
            for method in operation.methods:
                found.append((operation, method, f"{paths[level]}${operation.code}"))
    return found


@pytest.mark.parametrize(
    ("operation", "method", "path"), _places(), ids=lambda value: str(value)[:60]
)
async def test_no_operation_is_reached_without_what_it_declares(
    operation: Operation, method: str, path: str, world: World
) -> None:
    type_ = path.partition("/")[0] if "/" in path else ""
    instance = path.rpartition("/")[0]
    content = json.dumps(LABEL) if method == "POST" else None
    wrong: list[str] = []
    for caller in CALLERS:
        answer = await world.served.ask(
            *(method, path, world.tokens[caller.name]),
            **{"headers": {"Content-Type": "application/fhir+json"}, "content": content},
        )
        status = answer.status_code
        if not caller.good:
            right = status == 401
        elif not caller.letters or (type_ and not caller.may(type_, operation.action.value)):
            right = status == 403
        elif instance in EVERYTHING - caller.sees and operation.code != "validate":
            # What is hidden is as if it were not there, whatever an operation does to it.
            right = status in (400, 404) or b"lab-b" not in answer.content
        else:
            right = status != 401
        if status >= 500:
            right = False
        if not right:
            wrong.append(f"{caller.name}: {status} {answer.content[:160]!r}")
    assert not wrong, "\n".join(wrong)


async def test_every_route_and_operation_is_in_the_table() -> None:
    rows = {(asked.code, "GET" if asked.method == "HEAD" else asked.method) for asked in ASKED}
    assert {(route.code, route.method) for route in ROUTES} == rows


async def test_every_route_says_what_it_needs_or_decides_within() -> None:
    undeclared = {route.code for route in ROUTES if route.action is None}
    assert undeclared == {"capabilities", "transaction"}
    assert [route.code for route in ROUTES if route.public] == ["capabilities"]
    assert all(operation.action for operation in OPERATIONS)


async def test_the_matrix_has_the_promised_size() -> None:
    assert len(CALLERS) * (len(ASKED) + len(_places())) >= 1_500
