"""Raw content on its way in: what is too large to be held goes to its file as it comes.

https://hl7.org/fhir/R4/binary.html#rest (R-44)
"""

from __future__ import annotations

import asyncio
import gzip
import random
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from fhir_server.app import Server
from fhir_server.interactions.raw_upload import GATHERED
from fhir_server.settings import Settings
from tests.api.assertions import FHIR, assert_outcome, assert_written

LIMIT = 9 * 1024 * 1024
RAW = {"Content-Type": "application/dicom"}
MINIMAL = {**RAW, "Prefer": "return=minimal"}
CONTENT = random.Random(1).randbytes(GATHERED + 1_000_001)

Files = tuple[int, int]


@pytest.fixture
def settings(mongodb: str, database_name: str) -> Settings:
    """A server that stores no more than a few megabytes."""
    return Settings(
        mongodb_uri=mongodb, mongodb_database=database_name, access="open", max_blob_bytes=LIMIT
    )


@pytest.fixture
def files(mongodb: str, database_name: str) -> Iterator[Any]:
    """A function that counts the files in the database, and all pieces of any."""
    with MongoClient[dict[str, Any]](mongodb) as client:
        database = client[database_name]

        def count() -> Files:
            described = database["blobs.files"].count_documents({})
            return described, len(database["blobs.chunks"].distinct("files_id"))

        yield count


async def parts(content: bytes, width: int = 65_537) -> AsyncIterator[bytes]:
    for at in range(0, len(content), width):
        yield content[at : at + width]


async def content_of(client: httpx.AsyncClient, reference: str) -> bytes:
    answer = await client.get(reference, headers={"Accept": "application/dicom"})
    assert answer.status_code == 200, answer.text[:500]
    return answer.content


@pytest.mark.parametrize("more", [-1, 0, 1, 2, 3])
async def test_no_byte_is_lost_where_gathering_ends(
    client: httpx.AsyncClient, files: Any, more: int
) -> None:
    content = CONTENT[: GATHERED + more]
    made = await client.post("Binary", content=parts(content), headers=MINIMAL)
    reference = assert_written(made, 201, 1)
    assert await content_of(client, reference) == content
    stored = await client.get(reference, headers={"Accept": "application/fhir+json"})
    assert stored.content.startswith(b'{"resourceType":"Binary","id":"')
    assert list(stored.json()) == ["resourceType", "id", "meta", "contentType", "data"]
    assert stored.json()["data"] == b64encode(content).decode()
    assert files() == (1, 1)


async def test_the_answer_is_the_resource(client: httpx.AsyncClient) -> None:
    headers = {**RAW, "X-Security-Context": "Patient/1"}
    made = await client.post("Binary", content=parts(CONTENT), headers=headers)
    reference = assert_written(made, 201, 1)
    resource = made.json()
    assert f"Binary/{resource['id']}" == reference
    assert resource["meta"]["versionId"] == "1"
    assert resource["securityContext"] == {"reference": "Patient/1"}
    assert resource["data"] == b64encode(CONTENT).decode()
    as_json = await client.get(reference, headers={"Accept": "application/fhir+json"})
    assert as_json.content == made.content


async def test_an_update_puts_content_under_its_url(client: httpx.AsyncClient, files: Any) -> None:
    """R-11: also by If-Match; tags stay, and so does the version before."""
    tag = {"system": "urn:tags", "code": "scan"}
    small = {"resourceType": "Binary", "id": "a", "contentType": "text/plain"}
    labelled = {**small, "meta": {"tag": [tag]}}
    assert (await client.put("Binary/a", json=labelled, headers=FHIR)).status_code == 201
    for version in (2, 3):
        match = {**MINIMAL, "If-Match": f'W/"{version - 1}"'}
        put = await client.put("Binary/a", content=parts(CONTENT[version:]), headers=match)
        assert_written(put, 200, version)
    stale = await client.put("Binary/a", content=parts(CONTENT), headers=match)
    assert_outcome(stale, 412, "conflict")
    assert files() == (2, 2)
    assert await content_of(client, "Binary/a") == CONTENT[3:]
    assert await content_of(client, "Binary/a/_history/2") == CONTENT[2:]
    as_json = await client.get("Binary/a", headers={"Accept": "application/fhir+json"})
    assert as_json.json()["meta"]["tag"] == [tag]
    assert (await client.get("Binary", params={"_tag": "urn:tags|scan"})).json()["total"] == 1
    past = (await client.get("Binary/a/_history")).json()["entry"]
    assert [len(one["resource"].get("data", "")) for one in past] == [
        *(len(b64encode(CONTENT[3:])), len(b64encode(CONTENT[2:]))),
        0,
    ]
    assert (await client.delete("Binary/a")).status_code == 204
    assert (await client.get("Binary/a")).status_code == 410
    assert await content_of(client, "Binary/a/_history/3") == CONTENT[3:]


async def test_a_small_content_is_updated_raw_too(client: httpx.AsyncClient) -> None:
    assert_written(await client.put("Binary/s", content=b"abc", headers=RAW), 201, 1)
    assert_written(await client.put("Binary/s", content=b"abcd", headers=RAW), 200, 2)
    assert await content_of(client, "Binary/s") == b"abcd"


async def test_of_two_at_once_both_are_kept(client: httpx.AsyncClient, files: Any) -> None:
    """Who was slower is the next version; its content is not stored a second time."""
    sent = [CONTENT[one:] for one in range(3)]
    puts = [client.put("Binary/a", content=parts(one), headers=MINIMAL) for one in sent]
    answers = await asyncio.gather(*puts)
    versions = sorted(answer.headers["etag"] for answer in answers)
    assert versions == ['W/"1"', 'W/"2"', 'W/"3"']
    assert files() == (3, 3)
    for content, answer in zip(sent, answers, strict=True):
        past = answer.headers["location"].partition("/fhir/")[2]
        assert await content_of(client, past) == content


async def test_conditions_hold_for_content_of_any_size(
    client: httpx.AsyncClient, files: Any
) -> None:
    """A conditional create that finds its match keeps nothing of what it was sent."""
    tagged = {"meta": {"tag": [{"system": "urn:tags", "code": "one"}]}}
    small = {"resourceType": "Binary", "id": "a", "contentType": "text/plain", **tagged}
    assert (await client.put("Binary/a", json=small, headers=FHIR)).status_code == 201
    condition = {**MINIMAL, "If-None-Exist": "_tag=urn:tags|one"}
    found = await client.post("Binary", content=parts(CONTENT), headers=condition)
    assert_written(found, 200, 1)
    assert files() == (0, 0)
    condition = {**MINIMAL, "If-None-Exist": "_tag=urn:tags|two"}
    assert (await client.post("Binary", content=parts(CONTENT), headers=condition)).is_success
    put = await client.put("Binary?_tag=urn:tags|one", content=parts(CONTENT), headers=MINIMAL)
    assert assert_written(put, 200, 2) == "Binary/a"
    assert files() == (2, 2)
    assert await content_of(client, "Binary/a") == CONTENT


async def test_compressed_content_is_stored_as_it_was_before(client: httpx.AsyncClient) -> None:
    headers = {**MINIMAL, "Content-Encoding": "gzip"}
    squeezed = gzip.compress(CONTENT + bytes(1_000_000), 1)
    made = await client.post("Binary", content=parts(squeezed), headers=headers)
    assert await content_of(client, assert_written(made, 201, 1)) == CONTENT + bytes(1_000_000)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        pytest.param(CONTENT * 2, {}, 413, "too-long", id="too large"),
        pytest.param(
            gzip.compress(bytes(200 * 1024 * 1024), 1),
            {"Content-Encoding": "gzip"},
            413,
            "too-long",
            id="too large when it is inflated",
        ),
        pytest.param(
            gzip.compress(CONTENT, 1)[:-1],
            {"Content-Encoding": "gzip"},
            400,
            "invalid",
            id="gzip that ends early",
        ),
        pytest.param(
            CONTENT,
            {"X-Security-Context": "Patient?name=a"},
            422,
            "not-supported",
            id="a context that is none",
        ),
        pytest.param(CONTENT, {"If-None-Exist": "_x=1"}, 400, "not-supported", id="criteria"),
        pytest.param(CONTENT, {"Prefer": "return=all"}, 400, "invalid", id="preference"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    client: httpx.AsyncClient,
    files: Any,
    content: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    refused = await client.post("Binary", content=parts(content), headers={**RAW, **headers})
    assert_outcome(refused, status, code)
    assert files() == (0, 0)
    assert (await client.get("Binary")).json()["total"] == 0


async def test_the_content_counts_and_not_its_base64(client: httpx.AsyncClient) -> None:
    """As much goes in raw as JSON, so that what was read can be sent back."""
    content = bytes(LIMIT)
    put = await client.put("Binary/a", content=parts(content), headers=RAW)
    assert_written(put, 201, 1)
    assert_written(await client.put("Binary/a", content=put.content, headers=FHIR), 200, 2)
    assert await content_of(client, "Binary/a") == content
    more = await client.put("Binary/a", content=parts(content + b"x"), headers=RAW)
    assert_outcome(more, 413, "too-long")
    body = {"resourceType": "Binary", "id": "a", "contentType": "application/dicom"}
    body["data"] = b64encode(content + b"xxxx").decode()
    assert_outcome(await client.put("Binary/a", json=body, headers=FHIR), 413, "too-long")


def scope(method: str, path: str) -> dict[str, Any]:
    return {
        **{"type": "http", "method": method, "path": f"/fhir/{path}", "query_string": b""},
        **{"headers": [(b"content-type", b"application/dicom")], "client": ("127.0.0.1", 1)},
        **{"raw_path": f"/fhir/{path}".encode(), "http_version": "1.1", "scheme": "http"},
    }


@pytest.mark.parametrize("whole", [1000, GATHERED + 6 * 65_536, len(CONTENT)])
async def test_a_caller_who_leaves_in_the_middle_leaves_nothing(
    server: Server, client: httpx.AsyncClient, files: Any, whole: int
) -> None:
    coming = [part async for part in parts(CONTENT[:whole])]

    async def receive() -> dict[str, Any]:
        if coming:
            return {"type": "http.request", "body": coming.pop(0), "more_body": True}
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError("nobody is there to be answered")

    await server(scope("PUT", "Binary/a"), receive, send)  # type: ignore[arg-type]
    assert files() == (0, 0)
    assert (await client.get("Binary/a")).status_code == 404


async def test_who_may_not_write_is_refused_before_the_content_is_read(
    mongodb: str, database_name: str
) -> None:
    from fhir_server.app import create_app

    answers: list[int] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is to be read")

    async def send(message: dict[str, Any]) -> None:
        answers.append(message.get("status", 0))

    closed = create_app(Settings(mongodb_uri=mongodb, mongodb_database=database_name))
    async with closed.opened():
        await closed(scope("POST", "Binary"), receive, send)  # type: ignore[arg-type]
    assert answers[0] == 401
