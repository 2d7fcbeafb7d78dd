"""What a caller may not see has no influence on what an operation answers: non-interference."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_server.access.grant import Action, Grant, Rule
from fhir_server.app import open_services
from fhir_server.dispatch import dispatch
from fhir_server.errors import FhirError
from fhir_server.exchange import FhirRequest
from fhir_server.services import Services
from fhir_server.settings import Settings

BASE = "http://127.0.0.1:8080/fhir"
LOOKING = frozenset({Action.READ, Action.SEARCH})
OWN = Grant(
    "test",
    "the patient's own observations",
    (
        Rule(
            LOOKING,
            frozenset({"Patient", "Observation", "Encounter"}),
            (frozenset({"in=Patient/a"}),),
        ),
    ),
)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as opened:
        yield opened


def resource(type_: str, id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type_, "id": id_, **more}


def observation(id_: str, subject: str, **more: Any) -> dict[str, Any]:
    return resource(
        "Observation",
        id_,
        status="final",
        code={"coding": [{"system": "http://c", "code": "x"}]},
        subject={"reference": f"Patient/{subject}"},
        meta={"tag": [{"system": "http://t", "code": subject}]},
        **more,
    )


SHOWN = [
    resource("Patient", "a"),
    observation("1", "a", performer=[{"reference": "Practitioner/dr"}]),
]
HIDDEN = [
    resource("Practitioner", "dr"),
    resource("Patient", "b"),
    observation("2", "b", effectiveDateTime="2024"),
    resource("Condition", "c", subject={"reference": "Patient/a"}),
]
PATHS = [
    "Patient/a/$everything",
    "Patient/a/$everything?_count=1",
    "Patient/b/$everything",
    "Observation/$lastn?subject=Patient/a,Patient/b&code=x",
    "Observation/$meta",
    "Observation/2/$meta",
    "Observation/2/$validate",
    "$meta",
]


async def ask(services: Services, grant: Grant, method: str, path: str, body: Any = None) -> Any:
    """The status and the body, without what is new in every answer."""
    path, _, query = path.partition("?")
    pairs = tuple(tuple(pair.split("=", 1)) for pair in query.split("&") if pair)
    request = FhirRequest(
        method,
        path,
        grant,
        BASE,
        pairs,  # type: ignore[arg-type]
        {"content-type": "application/fhir+json"},
        json.dumps(body).encode() if body else b"",
    )
    try:
        answer = await dispatch(request, services)
    except FhirError as error:
        return error.status, [issue.diagnostics for issue in error.issues]
    raw = answer.body
    if answer.stream is not None:
        raw = b"".join([part async for part in answer.stream])
    found = json.loads(raw)
    for own in ("id", "meta", "link"):
        found.pop(own, None)
    return answer.status, found


async def put(services: Services, resources: list[dict[str, Any]]) -> None:
    for one in resources:
        path = f"{one['resourceType']}/{one['id']}"
        status, _ = await ask(services, Grant.open(), "PUT", path, one)
        assert status == 201


async def test_what_is_hidden_changes_no_answer(services: Services) -> None:
    await put(services, SHOWN)
    before = [await ask(services, OWN, "GET", path) for path in PATHS]
    await put(services, HIDDEN)
    assert [await ask(services, OWN, "GET", path) for path in PATHS] == before
    assert [len(body["entry"]) for _, body in before[:2]] == [2, 1]
    # The same questions are answered otherwise to those who see more: the test can fail.
    for path, own in zip(PATHS, before, strict=True):
        same = await ask(services, Grant.open(), "GET", path) == own
        assert same == ("_count=1" in path), path


async def test_labels_are_changed_only_by_who_may_update(services: Services) -> None:
    await put(services, SHOWN)
    meta = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
    body = {"resourceType": "Parameters", "parameter": [meta]}
    for operation in ("$meta-add", "$meta-delete"):
        status, _ = await ask(services, OWN, "POST", f"Observation/1/{operation}", body)
        assert status == 403
    _, found = await ask(services, Grant.open(), "GET", "Observation/1/$meta")
    assert found["parameter"][0]["valueMeta"]["versionId"] == "1"
