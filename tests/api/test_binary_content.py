"""Large raw content on its way out: in parts, from the place in its file where they lie.

https://hl7.org/fhir/R4/binary.html#rest (R-44)
"""

from __future__ import annotations

import random
from base64 import b64encode
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.api.assertions import FHIR, assert_outcome

SIZE = 9_000_001
CONTENT = random.Random(2).randbytes(SIZE)
CHUNK = 1024 * 1024 // 4 * 3
"""Bytes of content that a chunk of base64 holds."""

RAW = {"Accept": "application/dicom", "Accept-Encoding": "identity"}


async def sent_raw(client: httpx.AsyncClient) -> str:
    headers = {"Content-Type": "application/dicom", "Prefer": "return=minimal"}
    assert (await client.put("Binary/scan", content=CONTENT, headers=headers)).is_success
    return "Binary/scan"


async def sent_as_json(client: httpx.AsyncClient) -> str:
    """The data before the rest, as a sender may."""
    body = {"data": b64encode(CONTENT).decode(), "contentType": "application/dicom"}
    body |= {"resourceType": "Binary", "id": "letter"}
    assert (await client.put("Binary/letter", json=body, headers=FHIR)).is_success
    return "Binary/letter"


@pytest.fixture
async def scan(client: httpx.AsyncClient) -> str:
    """The path of a large Binary that was sent raw."""
    return await sent_raw(client)


@pytest.fixture(params=[sent_raw, sent_as_json])
async def path(request: pytest.FixtureRequest, client: httpx.AsyncClient) -> str:
    """The path of a large Binary, sent in either way."""
    found: str = await request.param(client)
    return found


RANGES = [
    *((0, 0), (0, 1), (1, 1), (2, 5), (SIZE - 1, SIZE - 1), (SIZE - 4, SIZE - 2)),
    *((CHUNK - 1, CHUNK), (CHUNK, CHUNK), (CHUNK - 1, CHUNK - 1), (CHUNK + 1, 3 * CHUNK + 1)),
    *((3 * CHUNK, 4 * CHUNK - 1), (CHUNK - 2, 5 * CHUNK + 2), (0, SIZE - 1)),
]


async def test_any_range_is_what_lies_there(client: httpx.AsyncClient, path: str) -> None:
    whole = await client.get(path, headers=RAW)
    assert (whole.status_code, whole.headers["content-length"]) == (200, str(SIZE))
    assert whole.content == CONTENT
    for first, last in RANGES:
        part = await client.get(path, headers={**RAW, "Range": f"bytes={first}-{last}"})
        assert part.status_code == 206, (first, last)
        assert part.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
        assert part.headers["content-length"] == str(last + 1 - first)
        assert part.content == CONTENT[first : last + 1], (first, last)
    for asked, first in (("-5", SIZE - 5), (f"{SIZE - 7}-", SIZE - 7), (f"5-{2 * SIZE}", 5)):
        part = await client.get(path, headers={**RAW, "Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, CONTENT[first:]), asked
    beyond = await client.get(path, headers={**RAW, "Range": f"bytes={SIZE}-"})
    assert_outcome(beyond, 416, "invalid")
    assert beyond.headers["content-range"] == f"bytes */{SIZE}"


async def test_head_and_etag_are_those_of_the_content(client: httpx.AsyncClient, path: str) -> None:
    head = await client.head(path, headers=RAW)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(SIZE)
    assert head.headers["content-type"] == "application/dicom"
    assert head.headers["content-disposition"] == "attachment"
    assert head.headers["accept-ranges"] == "bytes"
    known = await client.get(path, headers={**RAW, "If-None-Match": head.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


async def test_content_is_compressed_where_asked_but_no_range(
    client: httpx.AsyncClient, scan: str
) -> None:
    squeezed = {**RAW, "Accept-Encoding": "gzip"}
    whole = await client.get(scan, headers=squeezed)
    assert whole.headers["content-encoding"] == "gzip"
    assert "content-length" not in whole.headers
    assert whole.content == CONTENT
    part = await client.get(scan, headers={**squeezed, "Range": "bytes=10-5000"})
    assert "content-encoding" not in part.headers
    assert part.content == CONTENT[10:5001]


async def test_a_range_needs_its_own_chunks_and_no_other(
    client: httpx.AsyncClient, scan: str, mongodb: str, database_name: str
) -> None:
    with MongoClient[dict[str, Any]](mongodb) as mongo:
        mongo[database_name]["blobs.chunks"].delete_many({"n": {"$nin": [2, 3]}})
    first, last = 2 * CHUNK, 4 * CHUNK - 1
    part = await client.get(scan, headers={**RAW, "Range": f"bytes={first}-{last}"})
    assert (part.status_code, part.content) == (206, CONTENT[first : last + 1])


async def test_a_file_that_is_gone_is_a_fault_and_no_empty_content(
    client: httpx.AsyncClient, scan: str, mongodb: str, database_name: str
) -> None:
    with MongoClient[dict[str, Any]](mongodb) as mongo:
        mongo[database_name]["blobs.files"].delete_many({})
    assert_outcome(await client.get(scan, headers=RAW), 500, "exception")


async def test_base64_with_blanks_is_kept_to_the_letter_and_read_all_the_same(
    client: httpx.AsyncClient,
) -> None:
    data = b64encode(CONTENT).decode()
    data = f"{data[:4000]}\n{data[4000:]}"
    body = {"resourceType": "Binary", "id": "a", "contentType": "application/dicom", "data": data}
    assert (await client.put("Binary/a", json=body, headers=FHIR)).is_success
    as_json = await client.get("Binary/a", headers={"Accept": "application/fhir+json"})
    assert as_json.json()["data"] == data
    part = await client.get("Binary/a", headers={**RAW, "Range": "bytes=2990-3010"})
    assert part.content == CONTENT[2990:3011]


async def test_the_resource_is_the_same_by_every_way(client: httpx.AsyncClient, path: str) -> None:
    stored = (await client.get(path, headers={"Accept": "application/fhir+json"})).json()
    assert stored["data"] == b64encode(CONTENT).decode()
    found = (await client.get("Binary", params={"_id": stored["id"]})).json()
    assert found["entry"][0]["resource"] == stored
    versions = (await client.get(f"{path}/_history")).json()
    assert versions["entry"][0]["resource"] == stored
    summary = (
        await client.get(path, params={"_elements": "contentType", "_format": "json"})
    ).json()
    assert "data" not in summary
    as_xml = await client.get(path, params={"_format": "xml"})
    assert f'<data value="{stored["data"]}"/>'.encode() in as_xml.content
