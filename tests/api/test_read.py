"""Read, vread and what goes with them. https://hl7.org/fhir/R4/http.html#read"""

from __future__ import annotations

import json
from base64 import b64encode
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.api.assertions import FHIR, assert_outcome, patient

HTML = b"<script>alert(1)</script>"


@pytest.fixture
async def alice(client: httpx.AsyncClient) -> str:
    """`Patient/alice` in three versions."""
    for name in ("Alice", "Alix", "Alice"):
        body = patient(id="alice", name=[{"given": [name]}])
        assert (await client.put("Patient/alice", json=body, headers=FHIR)).status_code < 300
    return "Patient/alice"


async def test_read_answers_the_current_version_with_its_headers(
    client: httpx.AsyncClient, alice: str
) -> None:
    """R-01."""
    response = await client.get(alice)
    assert response.status_code == 200
    assert response.headers["etag"] == 'W/"3"'
    assert response.headers["content-type"] == "application/fhir+json; charset=utf-8"
    changed = parsedate_to_datetime(response.headers["last-modified"])
    assert changed.isoformat()[:19] == response.json()["meta"]["lastUpdated"][:19]


async def test_what_is_unknown_deleted_or_misspelt_is_said_apart(
    client: httpx.AsyncClient, alice: str
) -> None:
    """R-01."""
    assert_outcome(await client.get("Patient/nobody"), 404, "not-found")
    assert_outcome(await client.get("Patient/a_b"), 400, "invalid")
    assert_outcome(await client.get("Patient/" + "a" * 65), 400, "invalid")
    issues = assert_outcome(await client.get("Pateint/alice"), 404, "not-supported")
    assert "Patient" in issues[0]["diagnostics"]
    await client.delete(alice)
    assert_outcome(await client.get(alice), 410, "deleted")


async def test_vread_answers_each_version_and_the_deletion_is_gone(
    client: httpx.AsyncClient, alice: str
) -> None:
    """R-02."""
    second = await client.get(f"{alice}/_history/2")
    assert second.headers["etag"] == 'W/"2"'
    assert second.json()["name"] == [{"given": ["Alix"]}]
    assert second.json()["meta"]["versionId"] == "2"
    for version in ("0", "4", "x", "-1", "1" * 30):
        assert_outcome(await client.get(f"{alice}/_history/{version}"), 404, "not-found")
    await client.delete(alice)
    assert_outcome(await client.get(f"{alice}/_history/4"), 410, "deleted")
    assert (await client.get(f"{alice}/_history/3")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": 'W/"3"'}, 304),
        ({"If-None-Match": '"3"'}, 304),
        ({"If-None-Match": 'W/"1", W/"3"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": 'W/"2"'}, 200),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        (
            {
                "If-None-Match": 'W/"2"',
                "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT",
            },
            200,
        ),
    ],
)
async def test_a_conditional_read_spares_the_body(
    client: httpx.AsyncClient, alice: str, headers: dict[str, str], status: int
) -> None:
    """R-03; If-None-Match wins over If-Modified-Since."""
    response = await client.get(alice, headers=headers)
    assert response.status_code == status
    assert bool(response.content) == (status == 200)
    assert response.headers["etag"] == 'W/"3"'


@pytest.mark.parametrize("path", ["Patient/alice", "Patient", "metadata", "Patient/alice/_history"])
async def test_head_is_get_without_the_body(
    client: httpx.AsyncClient, alice: str, path: str
) -> None:
    """R-04."""
    got, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "etag", "last-modified"):
        assert head.headers.get(name) == got.headers.get(name)


async def test_a_method_that_is_not_offered_names_those_that_are(
    client: httpx.AsyncClient,
) -> None:
    """R-04, R-28."""
    response = await client.post("Patient/alice", json=patient(), headers=FHIR)
    assert_outcome(response, 405, "not-supported")
    assert response.headers["allow"] == "GET, PUT, PATCH, DELETE, HEAD"
    assert_outcome(await client.delete("metadata"), 405, "not-supported")


async def test_a_read_can_be_trimmed_and_indented(client: httpx.AsyncClient, alice: str) -> None:
    """R-27; the ETag stays the resource's."""
    trimmed = await client.get(alice, params={"_elements": "gender"})
    assert "name" not in trimmed.json()
    assert trimmed.json()["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert trimmed.headers["etag"] == 'W/"3"'
    assert (await client.get(alice, params={"_pretty": "true"})).text.count("\n") > 5


async def test_a_resource_can_be_had_in_xml(client: httpx.AsyncClient, alice: str) -> None:
    """R-26; `_format` wins over Accept."""
    response = await client.get(alice, headers={"Accept": "application/fhir+xml"})
    assert response.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert '<given value="Alice"/>' in response.text
    again = await client.get(alice, headers={"Accept": "image/png"}, params={"_format": "xml"})
    assert again.content == response.content
    assert_outcome(await client.get(alice, headers={"Accept": "image/png"}), 406, "not-supported")
    assert_outcome(await client.get(alice, params={"_format": "ttl"}), 406, "not-supported")


@pytest.fixture
async def page(client: httpx.AsyncClient) -> str:
    """A Binary with active content."""
    body = {
        "resourceType": "Binary",
        "id": "page",
        "contentType": "text/html",
        "securityContext": {"reference": "Patient/alice"},
        "data": b64encode(HTML).decode(),
    }
    assert (await client.put("Binary/page", json=body, headers=FHIR)).status_code == 201
    return "Binary/page"


async def test_a_binary_comes_in_its_own_type_and_never_runs_here(
    client: httpx.AsyncClient, page: str
) -> None:
    """R-44."""
    raw = await client.get(page, headers={"Accept": "text/html"})
    assert (raw.content, raw.headers["content-type"]) == (HTML, "text/html")
    assert raw.headers["content-disposition"] == "attachment"
    assert raw.headers["x-content-type-options"] == "nosniff"
    assert raw.headers["x-security-context"] == "Patient/alice"
    as_fhir = await client.get(page, headers={"Accept": "application/fhir+json"})
    assert as_fhir.json()["contentType"] == "text/html"
    as_xml = await client.get(page, params={"_format": "xml"})
    assert b"<contentType" in as_xml.content


async def test_parts_of_a_binary_can_be_had(client: httpx.AsyncClient, page: str) -> None:
    """R-44: byte ranges."""
    part = await client.get(page, headers={"Accept": "*/*", "Range": "bytes=1-6"})
    assert (part.status_code, part.content) == (206, b"script")
    assert part.headers["content-range"] == f"bytes 1-6/{len(HTML)}"
    beyond = await client.get(page, headers={"Accept": "text/html", "Range": "bytes=99-"})
    assert_outcome(beyond, 416, "invalid")
    assert beyond.headers["content-range"] == f"bytes */{len(HTML)}"


async def test_raw_content_becomes_a_binary(client: httpx.AsyncClient) -> None:
    """R-44."""
    made = await client.post("Binary", content=HTML, headers={"Content-Type": "text/html"})
    assert made.status_code == 201
    assert json.loads(made.content)["data"] == b64encode(HTML).decode()
