"""A Binary that no MongoDB document holds: in, out as a stream, past versions and all."""

from __future__ import annotations

from base64 import b64encode

import httpx

from tests.api.assertions import FHIR, assert_outcome

SIZE = 14 * 1024 * 1024


async def test_a_large_binary_goes_in_and_comes_out(client: httpx.AsyncClient) -> None:
    content = bytes(range(256)) * (SIZE // 256)
    made = await client.post(
        "Binary",
        content=content,
        headers={"Content-Type": "application/dicom", "Prefer": "return=minimal"},
    )
    assert made.status_code == 201, made.text[:500]
    path = made.headers["location"].partition("/fhir/")[2].partition("/_history")[0]

    as_fhir = await client.get(path, headers={"Accept": "application/fhir+json"})
    assert as_fhir.headers["etag"] == 'W/"1"'
    assert as_fhir.json()["data"] == b64encode(content).decode()
    assert (await client.get(path, headers={"Accept": "*/*"})).content == content
    part = await client.get(path, headers={"Accept": "*/*", "Range": "bytes=1000000-1000009"})
    assert part.content == content[1_000_000:1_000_010]

    small = {"resourceType": "Binary", "id": path.partition("/")[2], "contentType": "text/plain"}
    assert (await client.put(path, json=small, headers=FHIR)).status_code == 200
    past = await client.get(f"{path}/_history/1", headers={"Accept": "*/*"})
    assert past.content == content


async def test_what_is_larger_than_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    too_large = {"Content-Type": "application/octet-stream"}
    response = await client.post("Binary", content=b"x" * (101 * 1024 * 1024), headers=too_large)
    assert_outcome(response, 413, "too-long")
