"""Create. https://hl7.org/fhir/R4/http.html#create"""

from __future__ import annotations

import httpx

from tests.api.assertions import FHIR, assert_outcome, assert_written, identified, patient


async def test_create_answers_201_with_location_etag_and_last_modified(
    client: httpx.AsyncClient,
) -> None:
    """R-05; the client's id and version are ignored, the server's own are set."""
    sent = patient(
        id="mine",
        meta={
            "versionId": "7",
            "lastUpdated": "1999-01-01T00:00:00Z",
            "tag": [{"system": "urn:t", "code": "kept"}],
        },
        active=True,
    )
    response = await client.post("Patient", json=sent, headers=FHIR)
    reference = assert_written(response, 201, 1)
    stored = response.json()
    assert stored["id"] == reference.removeprefix("Patient/") != "mine"
    assert stored["meta"]["versionId"] == "1"
    assert stored["meta"]["lastUpdated"] > "2020"
    assert stored["meta"]["tag"] == [{"system": "urn:t", "code": "kept"}]
    assert (await client.get(reference)).content == response.content
    assert (await client.get("Patient/mine")).status_code == 404


async def test_a_created_resource_is_found_by_the_next_search(client: httpx.AsyncClient) -> None:
    """R-48."""
    await client.post("Patient", json=identified("1"), headers=FHIR)
    found = await client.get("Patient", params={"identifier": "urn:example:mrn|1"})
    assert found.json()["total"] == 1


async def test_content_comes_back_to_the_letter(client: httpx.AsyncClient) -> None:
    """R-45: decimals, order, extensions of primitives, null alignment, contained, unicode."""
    body = (
        '{"resourceType":"Observation","status":"final",'
        '"contained":[{"resourceType":"Patient","id":"p","birthDate":"1970"}],'
        '"code":{"text":"caf\u00e9 \\u4e2d \\ud83d\\ude00 \\"q\\""},"subject":{"reference":"#p"},'
        '"_effectiveDateTime":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/'
        'data-absent-reason","valueCode":"unknown"}]},'
        '"component":['
        '{"code":{"text":"b"},"valueQuantity":{"value":1.0}},'
        '{"code":{"text":"a"},"valueQuantity":{"value":1.00}},'
        '{"code":{"text":"c"},"valueQuantity":{"value":1.2E+2}}]}'
    )
    response = await client.post("Observation", content=body.encode(), headers=FHIR)
    reference = assert_written(response, 201, 1)
    text = (await client.get(reference)).text
    head, _, rest = text.partition('"}')
    assert head.startswith('{"resourceType":"Observation","id":"')
    assert rest == body.partition('"Observation"')[2]


async def test_null_alignment_is_kept(client: httpx.AsyncClient) -> None:
    """R-45."""
    extra = {"extension": [{"url": "urn:x", "valueString": "y"}]}
    name = {"given": ["A", None], "_given": [None, extra]}
    response = await client.post("Patient", json=patient(name=[name]), headers=FHIR)
    assert response.json()["name"] == [name]


async def test_prefer_return_decides_the_body_and_never_the_headers(
    client: httpx.AsyncClient,
) -> None:
    """R-22; without the header the answer is the representation."""
    for returning, expected in (
        ("", "Patient"),
        ("representation", "Patient"),
        ("OperationOutcome", "OperationOutcome"),
        ("minimal", ""),
    ):
        headers = {**FHIR, "Prefer": f"return={returning}"} if returning else FHIR
        response = await client.post("Patient", json=patient(), headers=headers)
        assert_written(response, 201, 1)
        assert (response.json()["resourceType"] if response.content else "") == expected


async def test_create_refuses_what_is_no_resource_of_the_type(client: httpx.AsyncClient) -> None:
    """R-06."""
    for type_, body, status, code in (
        ("Patient", b'{"resourceType":"Patient"', 400, "structure"),
        ("Patient", b"", 400, "structure"),
        ("Patient", b'{"resourceType":"Observation"}', 400, "invalid"),
        ("Patients", b'{"resourceType":"Patients"}', 404, "not-supported"),
        ("Patient", b'{"resourceType":"Patient","nickname":"x"}', 422, "structure"),
    ):
        response = await client.post(type_, content=body, headers=FHIR)
        assert_outcome(response, status, code)


async def test_all_faults_are_told_at_once(client: httpx.AsyncClient) -> None:
    """R-06."""
    sent = patient(birthDate="1970-02-30", gender="m", active="yes")
    response = await client.post("Patient", json=sent, headers=FHIR)
    issues = assert_outcome(response, 422, "value")
    places = {issue["expression"][0] for issue in issues}
    assert {"Patient.birthDate", "Patient.gender", "Patient.active"} <= places


async def test_a_conditional_reference_is_stored_by_transactions_only(
    client: httpx.AsyncClient,
) -> None:
    """P-03: it would never be resolved."""
    sent = patient(managingOrganization={"reference": "Organization?identifier=1"})
    response = await client.post("Patient", json=sent, headers=FHIR)
    assert_outcome(response, 422, "not-supported", "Patient.managingOrganization.reference")


async def test_create_takes_xml(client: httpx.AsyncClient) -> None:
    body = b'<Patient xmlns="http://hl7.org/fhir"><birthDate value="1970-01-01"/></Patient>'
    headers = {"Content-Type": "application/fhir+xml"}
    response = await client.post("Patient", content=body, headers=headers)
    assert_written(response, 201, 1)
    assert response.json()["birthDate"] == "1970-01-01"


async def test_raw_content_posted_to_binary_makes_a_binary(client: httpx.AsyncClient) -> None:
    """R-44."""
    headers = {"Content-Type": "image/png", "X-Security-Context": "Patient/1"}
    response = await client.post("Binary", content=b"\x89PNG", headers=headers)
    reference = assert_written(response, 201, 1)
    stored = (await client.get(reference, headers={"Accept": "application/fhir+json"})).json()
    assert stored["contentType"] == "image/png"
    assert stored["securityContext"] == {"reference": "Patient/1"}
    raw = await client.get(reference, headers={"Accept": "image/png"})
    assert (raw.content, raw.headers["content-type"]) == (b"\x89PNG", "image/png")


async def test_a_resource_beyond_the_document_limit_is_stored(client: httpx.AsyncClient) -> None:
    """P-18: 17 MB of content are more than one MongoDB document holds."""
    content = bytes(range(256)) * 4 * 1024 * 17
    headers = {"Content-Type": "application/octet-stream"}
    response = await client.post("Binary", content=content, headers=headers)
    reference = assert_written(response, 201, 1)
    raw = await client.get(reference, headers={"Accept": "application/octet-stream"})
    assert raw.content == content
