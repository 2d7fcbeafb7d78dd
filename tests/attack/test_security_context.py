"""A Binary is open to whoever may read its security context, and to nobody else.

https://hl7.org/fhir/R4/binary.html#security
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
import pytest_asyncio

from tests.attack.records import SECRET
from tests.callers import BASE, Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = {"patient": "a", "fhir_user": "Patient/a"}
DATA = base64.b64encode(SECRET.encode()).decode()


def binary(id_: str, context: str | None, **more: Any) -> dict[str, Any]:
    found = {"resourceType": "Binary", "id": id_, "contentType": "text/plain", "data": DATA, **more}
    return found if context is None else {**found, "securityContext": {"reference": context}}


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def documents(world: Served) -> None:
    """A document of each patient, with its file, and files in every other place."""
    for patient in ("a", "b"):
        await world.put(
            {
                "resourceType": "DocumentReference",
                "id": f"doc-{patient}",
                "status": "current",
                "subject": {"reference": f"Patient/{patient}"},
                # Whatever a document points at is not opened by that.
                "content": [{"attachment": {"url": "Binary/file-b"}}],
            }
        )
    contexts = {
        "file-a": "DocumentReference/doc-a",
        "absolute": f"{BASE}/DocumentReference/doc-a",
        "versioned": "DocumentReference/doc-a/_history/1",
        "person": "Patient/a",
        "group": "Organization/g",
        "file-b": "DocumentReference/doc-b",
        "person-b": "Patient/b",
        "missing": "DocumentReference/not-there",
        "elsewhere": "https://other.example.org/fhir/DocumentReference/doc-a",
        "logical": "urn:uuid:7a2a3b1c-0000-4000-8000-000000000000",
        "itself": "Binary/itself",
        "other-file": "Binary/file-a",
        "gone": "DocumentReference/doc-gone",
        "none": None,
    }
    gone = {"resourceType": "DocumentReference", "id": "doc-gone", "status": "current"}
    attachment = {"content": [{"attachment": {"title": "x"}}]}
    await world.put({**gone, **attachment, "subject": {"reference": "Patient/a"}})
    for id_, context in contexts.items():
        await world.put(binary(id_, context))
    await world.remove("DocumentReference/doc-gone")
    await world.put(binary("deleted", "DocumentReference/doc-a"))
    await world.remove("Binary/deleted")
    tag = {"meta": {"tag": [{"system": "urn:tags", "code": "letter"}]}}
    await world.put(binary("tagged", "DocumentReference/doc-a", **tag))


@pytest.mark.parametrize("scope", ["patient/*.rs", "patient/Binary.r patient/DocumentReference.r"])
@pytest.mark.parametrize("id_", ["file-a", "absolute", "versioned"])
async def test_the_file_of_an_own_document_is_open(world: Served, id_: str, scope: str) -> None:
    token = await world.token(scope, **OWN)
    answer = await world.ask("GET", f"Binary/{id_}", token, headers={"Accept": "*/*"})
    assert (answer.status_code, answer.content) == (200, SECRET.encode())
    json = {"Accept": "application/fhir+json"}
    answer = await world.ask("GET", f"Binary/{id_}", token, headers=json)
    assert answer.json()["id"] == id_
    assert answer.headers["etag"] == 'W/"1"'


@pytest.mark.parametrize("id_", ["person", "group"])
async def test_any_resource_that_may_be_read_can_stand_for_a_file(world: Served, id_: str) -> None:
    token = await world.token("patient/*.rs", **OWN)
    assert (await world.ask("GET", f"Binary/{id_}", token)).status_code == 200


CLOSED = (
    *("file-b", "person-b", "missing", "elsewhere", "logical", "itself", "other-file", "gone"),
    *("none", "deleted"),
)


@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds"])
@pytest.mark.parametrize("id_", CLOSED)
async def test_every_other_file_is_not_there(world: Served, id_: str, scope: str) -> None:
    token = await world.token(scope, **OWN)
    answer = await world.ask("GET", f"Binary/{id_}", token)
    nothing = await world.ask("GET", "Binary/nothing", token)
    assert answer.status_code == nothing.status_code == 404
    assert answer.text.replace(id_, "nothing") == nothing.text


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("patient/DocumentReference.rs", 403),  # nothing about Binary
        ("patient/Binary.rs", 404),  # nothing about the document
        ("patient/Binary.rs patient/DocumentReference.s", 404),  # which may not be read
        ("patient/Binary.cuds patient/DocumentReference.rs", 403),  # Binary may not be read
        ("patient/Binary.rs?_tag=urn:tags|letter patient/DocumentReference.rs", 404),
    ],
)
async def test_both_must_be_granted(world: Served, scope: str, status: int) -> None:
    token = await world.token(scope, **OWN)
    assert (await world.ask("GET", "Binary/file-a", token)).status_code == status


async def test_a_condition_of_the_scope_holds_for_the_file_itself(world: Served) -> None:
    scope = "patient/Binary.r?_tag=urn:tags|letter patient/DocumentReference.r"
    token = await world.token(scope, **OWN)
    assert (await world.ask("GET", "Binary/tagged", token)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "Binary/file-a/_history/1"),
        ("GET", "Binary/file-a/_history"),
        ("DELETE", "Binary/file-a"),
        ("PUT", "Binary/file-a"),
    ],
)
async def test_it_is_read_as_it_is_now_and_no_more(world: Served, method: str, path: str) -> None:
    token = await world.token("patient/*.cruds", **OWN)
    more = {"json": binary("file-a", "Patient/a")} if method == "PUT" else {}
    await world.ask(method, path, token, **more)
    answer = await world.ask(method, path, token, **more)
    if method == "DELETE":
        answer = await world.ask("GET", "Binary/file-a", token)
        assert answer.status_code == 200  # nothing was deleted
    else:
        assert answer.status_code in (404, 405)


async def test_a_batch_reads_as_a_request_does(world: Served) -> None:
    token = await world.token("patient/*.rs", **OWN)
    entries = [{"request": {"method": "GET", "url": f"Binary/{id_}"}} for id_ in ("file-a", "none")]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    answer = await world.ask("POST", "", token, json=bundle)
    statuses = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert statuses == ["200", "404"]


async def test_a_closed_file_is_in_no_search(world: Served) -> None:
    token = await world.token("patient/*.rs", **OWN)
    assert (await world.ask("GET", "Binary", token)).json()["total"] == 0
