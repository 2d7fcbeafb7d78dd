"""$meta, $meta-add and $meta-delete, through the front door."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.operations import (
    ORGANIZATION,
    ask,
    named,
    parameters,
    patient,
    put,
)

SYSTEM = "http://example.org/labels"


def labels(*codes: str) -> dict[str, Any]:
    return {"tag": [{"system": SYSTEM, "code": code} for code in codes]}


async def test_meta_add_makes_a_version_once_and_meta_delete_another(
    client: httpx.AsyncClient,
) -> None:
    await put(client, patient("a"))
    body = parameters(meta=("valueMeta", {**labels("x", "y"), "profile": ["http://p"]}))
    for _ in range(2):
        answer = await client.post("Patient/a/$meta-add", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == 'W/"2"'
        [row] = answer.json()["parameter"]
        assert row["name"] == "return"
        assert row["valueMeta"]["tag"] == labels("x", "y")["tag"]
        assert row["valueMeta"]["profile"] == ["http://p"]
    assert named(await ask(client, f"Patient?_tag={SYSTEM}|x")) == ["Patient/a"]
    body = parameters(meta=("valueMeta", labels("x", "z")))
    answer = await client.post("Patient/a/$meta-delete", json=body)
    assert answer.headers["etag"] == 'W/"3"'
    found = (await ask(client, "Patient/a/$meta"))["parameter"][0]["valueMeta"]
    assert found["tag"] == labels("y")["tag"]
    assert found["versionId"] == "3"
    assert named(await ask(client, f"Patient?_tag={SYSTEM}|x")) == []
    assert (await ask(client, "Patient/a/_history"))["total"] == 3


async def test_meta_of_a_type_and_of_the_server_lists_labels_in_use(
    client: httpx.AsyncClient,
) -> None:
    await put(
        client,
        patient("a", meta={**labels("x"), "profile": ["http://p"]}),
        patient("b", meta={**labels("x", "y"), "security": [{"code": "R"}]}),
        {**ORGANIZATION, "meta": labels("z")},
    )
    of_type = (await ask(client, "Patient/$meta"))["parameter"][0]["valueMeta"]
    assert of_type == {**labels("x", "y"), "profile": ["http://p"], "security": [{"code": "R"}]}
    of_all = (await ask(client, "$meta"))["parameter"][0]["valueMeta"]
    assert of_all["tag"] == labels("x", "y", "z")["tag"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("Patient/a/$meta-add", {"resourceType": "Parameters"}, 400),
        ("Patient/a/$meta-add", {"resourceType": "Patient"}, 400),
        ("Patient/a/$meta-add", parameters(meta=("valueString", "x")), 400),
        ("Patient/a/$meta-add", parameters(meta=("valueMeta", {"tag": "x"})), 422),
        ("Patient/a/$meta-add", parameters(mata=("valueMeta", {})), 400),
        ("Patient/none/$meta-add", parameters(meta=("valueMeta", labels("x"))), 404),
        ("Patient/$meta-add", parameters(meta=("valueMeta", labels("x"))), 404),
    ],
)
async def test_meta_add_refuses_what_is_wrong(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int
) -> None:
    await put(client, patient("a"))
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert (await ask(client, "Patient/a"))["meta"]["versionId"] == "1"


async def test_meta_add_heeds_if_match(client: httpx.AsyncClient) -> None:
    await put(client, patient("a"))
    body = parameters(meta=("valueMeta", labels("x")))
    answer = await client.post("Patient/a/$meta-add", json=body, headers={"if-match": 'W/"7"'})
    assert answer.status_code == 412
