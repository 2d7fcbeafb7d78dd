"""Batch. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import httpx

from tests.api.assertions import FHIR, assert_outcome, assert_response_bundle, identified, patient

Json = dict[str, Any]


def entry(method: str, url: str, resource: Json | None = None, **request: str) -> Json:
    made: Json = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    return made


async def send(client: httpx.AsyncClient, *entries: Json, **headers: str) -> httpx.Response:
    body: Json = {"resourceType": "Bundle", "type": "batch", "entry": list(entries)}
    if not entries:
        del body["entry"]
    return await client.post("", json=body, headers={**FHIR, **headers})


async def test_each_entry_has_its_own_answer_in_the_senders_order(
    client: httpx.AsyncClient,
) -> None:
    """R-31."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    await client.put("Patient/b", json=patient(id="b"), headers=FHIR)
    response = await send(
        client,
        entry("GET", "Patient/a"),
        entry("POST", "Patient", identified("1")),
        entry("PUT", "Patient/c", patient(id="c")),
        entry("DELETE", "Patient/b"),
        entry("GET", "Patient/unknown"),
        entry("POST", "Patient", patient(gender="x")),
        entry("PUT", "Patient/d", patient(id="e")),
        entry("GET", "Patient?identifier=1"),
        entry("GET", "Patients/1"),
        entry("POST", "Patient", identified("1"), ifNoneExist="identifier=1"),
    )
    statuses = ["200", "201", "201", "204", "404", "422", "400", "200", "404"]
    entries = assert_response_bundle(response, "batch-response", [*statuses, "200"])
    assert entries[0]["resource"]["id"] == "a"
    assert entries[0]["response"]["etag"] == 'W/"1"'
    created = entries[1]["response"]
    assert created["location"].startswith("http://127.0.0.1:8080/fhir/Patient/")
    assert created["location"].endswith("/_history/1")
    assert created["lastModified"].endswith("Z")
    assert "resource" not in entries[1]
    for refused, place in ((entries[4], None), (entries[5], ["Patient.gender"])):
        issue = refused["response"]["outcome"]["issue"][0]
        assert issue["severity"] == "error"
        assert issue.get("expression") == place


async def test_prefer_return_holds_for_the_entries(client: httpx.AsyncClient) -> None:
    """R-22; in Bundles minimal is the default."""
    response = await send(
        client, entry("POST", "Patient", patient()), Prefer="return=representation"
    )
    entries = assert_response_bundle(response, "batch-response", ["201"])
    assert entries[0]["resource"]["resourceType"] == "Patient"
    response = await send(
        client, entry("POST", "Patient", patient()), Prefer="return=OperationOutcome"
    )
    entries = assert_response_bundle(response, "batch-response", ["201"])
    assert entries[0]["response"]["outcome"]["resourceType"] == "OperationOutcome"


async def test_conditions_of_entries(client: httpx.AsyncClient) -> None:
    """R-38: ifMatch, ifNoneMatch, ifModifiedSince."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    response = await send(
        client,
        entry("PUT", "Patient/a", patient(id="a"), ifMatch='W/"9"'),
        entry("PUT", "Patient/a", patient(id="a"), ifNoneMatch="*"),
        entry("GET", "Patient/a", ifNoneMatch='W/"1"'),
        entry("GET", "Patient/a", ifModifiedSince="2100-01-01T00:00:00Z"),
        entry("DELETE", "Patient/a", ifMatch='W/"2"'),
    )
    assert_response_bundle(response, "batch-response", ["412", "412", "304", "304", "412"])


async def test_a_patch_comes_as_parameters_or_in_a_binary(client: httpx.AsyncClient) -> None:
    """R-40."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    await client.put("Patient/b", json=patient(id="b"), headers=FHIR)
    change = b'[{"op":"add","path":"/active","value":true}]'
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": b64encode(change).decode(),
    }
    part = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "active"},
        {"name": "value", "valueBoolean": True},
    ]
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": part}],
    }
    broken = {"resourceType": "Binary", "contentType": "application/json-patch+json"}
    response = await send(
        client,
        entry("PATCH", "Patient/a", binary),
        entry("PATCH", "Patient/b", parameters),
        entry("PATCH", "Patient/b", broken),
        entry("PATCH", "Patient/b", patient(id="b")),
    )
    assert_response_bundle(response, "batch-response", ["200", "200", "400", "400"])
    for id_ in "ab":
        assert (await client.get(f"Patient/{id_}")).json()["active"] is True


async def test_references_between_entries_stay_as_they_are(client: httpx.AsyncClient) -> None:
    """R-31: entries of a batch do not depend on each other."""
    urn = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
    account = {"resourceType": "Account", "status": "active", "subject": [{"reference": urn}]}
    response = await send(
        client,
        {"fullUrl": urn, **entry("POST", "Patient", patient())},
        entry("POST", "Account", account),
        Prefer="return=representation",
    )
    entries = assert_response_bundle(response, "batch-response", ["201", "201"])
    assert entries[1]["resource"]["subject"] == [{"reference": urn}]


async def test_an_empty_bundle_is_answered_with_an_empty_one(client: httpx.AsyncClient) -> None:
    """R-41."""
    response = await send(client)
    assert_response_bundle(response, "batch-response", [])
    assert "entry" not in response.json()


async def test_a_batch_can_come_as_xml(client: httpx.AsyncClient) -> None:
    body = (
        b'<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource>'
        b'<Patient><active value="true"/></Patient></resource><request><method value="POST"/>'
        b'<url value="Patient"/></request></entry></Bundle>'
    )
    headers = {"Content-Type": "application/fhir+xml"}
    response = await client.post("", content=body, headers=headers)
    assert_response_bundle(response, "batch-response", ["201"])


async def test_what_is_no_request_fails_the_whole_bundle(client: httpx.AsyncClient) -> None:
    """R-41: before anything is carried out."""
    response = await send(
        client,
        entry("POST", "Patient", patient()),
        {"resource": patient()},
        entry("TRACE", "Patient"),
        {"request": {"method": "GET"}},
    )
    issues = assert_outcome(response, 400, "invalid", "Bundle.entry[1].request")
    places = [issue["expression"] for issue in issues]
    assert places[1:] == [["Bundle.entry[2].request.method"], ["Bundle.entry[3].request.url"]]
    assert (await client.get("Patient")).json()["total"] == 0


async def test_only_batch_and_transaction_go_to_the_base(client: httpx.AsyncClient) -> None:
    """R-41."""
    for type_ in ("collection", "document", "searchset", "nonsense"):
        body = {"resourceType": "Bundle", "type": type_}
        response = await client.post("", json=body, headers=FHIR)
        assert_outcome(response, 400, "invalid", "Bundle.type")
    response = await client.post("", json={"resourceType": "Bundle"}, headers=FHIR)
    assert_outcome(response, 400, "invalid", "Bundle.type")
    assert_outcome(await client.post("", json=patient(), headers=FHIR), 400, "structure")
