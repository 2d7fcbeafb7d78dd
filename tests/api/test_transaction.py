"""Transaction. https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import itertools

import httpx

from tests.api.assertions import FHIR, assert_outcome, assert_response_bundle, identified, patient
from tests.api.transactions import account, count, done, entry, send


async def test_the_order_of_entries_does_not_matter(client: httpx.AsyncClient) -> None:
    """R-32: DELETE, POST, PUT, GET; R-34: reads see the results."""
    entries = [
        entry("GET", "Patient?_sort=_lastUpdated"),
        entry("PUT", "Patient/kept", patient(id="kept", active=True)),
        entry("DELETE", "Patient?identifier=old"),
        entry("POST", "Patient", identified("new"), ifNoneExist="identifier=old"),
    ]
    expected = {0: "200", 1: "200", 2: "204", 3: "201"}
    for order in itertools.permutations(range(4)):
        await client.put("Patient/kept", json=patient(id="kept"), headers=FHIR)
        await client.put("Patient/old", json=identified("old", id="old"), headers=FHIR)
        statuses = " ".join(expected[i] for i in order)
        answers = await done(client, *(entries[i] for i in order), statuses=statuses)
        found = answers[order.index(0)]["resource"]
        assert found["total"] == 2
        assert [
            hit["resource"].get("active") for hit in found["entry"] if "active" in hit["resource"]
        ]
        await client.delete("Patient?identifier=new")


async def test_all_or_nothing(client: httpx.AsyncClient) -> None:
    """R-34: an outcome with the place of what failed, and nothing of the others."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    for last, status, code, place in (
        (entry("POST", "Patient", patient(gender="x")), 422, "code-invalid", "resource.gender"),
        (entry("PUT", "Patient/a", patient(id="a"), ifMatch='W/"7"'), 412, "conflict", ""),
        (entry("GET", "Patient/unknown"), 404, "not-found", ""),
        (entry("PUT", "Patient/b", patient(id="c")), 400, "invalid", "resource.id"),
        (entry("POST", "Patients", patient()), 404, "not-supported", "request.url"),
        (entry("POST", "Patient"), 400, "invalid", "resource"),
        (entry("PATCH", "Patient/zz", patient()), 400, "structure", "resource.resourceType"),
        (entry("GET", "Patient?unknown=1"), 400, "not-supported", None),
    ):
        response = await send(
            client,
            entry("POST", "Account", account("Patient/a")),
            entry("DELETE", "Patient/a")
            if "Patient/a" not in str(last)
            else entry("GET", "Account"),
            last,
        )
        expression = None if place is None else f"Bundle.entry[2].{place}".rstrip(".")
        assert_outcome(response, status, code, expression)
        assert await count(client, "Account") == 0
        assert (await client.get("Patient/a")).json()["meta"]["versionId"] == "1"


async def test_every_fault_seen_without_the_database_is_told(client: httpx.AsyncClient) -> None:
    response = await send(
        client,
        entry("POST", "Patient", patient(gender="x")),
        entry("POST", "Patient", patient()),
        entry("POST", "Patient", patient(birthDate="x", active="y")),
    )
    issues = assert_outcome(response, 422, "code-invalid", "Bundle.entry[0].resource.gender")
    places = {issue["expression"][0] for issue in issues[1:]}
    assert places == {"Bundle.entry[2].resource.birthDate", "Bundle.entry[2].resource.active"}


async def test_the_same_resource_twice_fails_the_whole(client: httpx.AsyncClient) -> None:
    """R-33, P-02: by id, and by what conditions come to."""
    await client.put("Patient/a", json=identified("a", id="a"), headers=FHIR)
    put = entry("PUT", "Patient/a", identified("a", id="a"))
    conditional = entry("PUT", "Patient?identifier=a", identified("a"))
    for one, other in (
        (put, put),
        (put, entry("DELETE", "Patient/a")),
        (put, conditional),
        (conditional, entry("PUT", "Patient/a", patient(id="a"))),
        (entry("PUT", "Patient/a", patient(id="a")), conditional),
        (conditional, conditional),
        (put, entry("DELETE", "Patient?identifier=a")),
        (conditional, entry("PUT", "Patient?_id=a", patient())),
        (
            entry("PUT", "Patient?identifier=n", identified("n")),
            entry("POST", "Patient", identified("n")),
        ),
    ):
        response = await send(client, one, other)
        assert_outcome(response, 400, "duplicate")
        assert await count(client) == 1
        assert (await client.get("Patient/a")).json()["meta"]["versionId"] == "1"


async def test_deletes_in_a_transaction(client: httpx.AsyncClient) -> None:
    """P-07: a DELETE of nothing makes no version; R-11: ifMatch holds."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    stale = await send(client, entry("DELETE", "Patient/a", ifMatch='W/"4"'))
    assert_outcome(stale, 412, "conflict", "Bundle.entry[0]")
    await done(
        client, entry("DELETE", "Patient/a"), entry("DELETE", "Patient/x"), statuses="204 204"
    )
    assert (await client.get("Patient/a")).status_code == 410
    assert (await client.get("Patient/x")).status_code == 404
    await done(client, entry("DELETE", "Patient/a"), statuses="204")
    assert (await client.get("Patient/a/_history")).json()["total"] == 2
    await done(client, entry("PUT", "Patient/a", patient(id="a")), statuses="201")
    assert (await client.get("Patient/a")).json()["meta"]["versionId"] == "3"


async def test_reads_inside_see_the_results(client: httpx.AsyncClient) -> None:
    """R-34; the body beside a GET says nothing (R-41)."""
    answers = await done(
        client,
        entry("GET", "Patient/a", patient(gender="ignored")),
        entry("GET", "Patient?identifier=1&_summary=count"),
        entry("HEAD", "Patient/a"),
        entry("PUT", "Patient/a", identified("1", id="a")),
        statuses="200 200 200 201",
    )
    assert answers[0]["resource"]["id"] == "a"
    assert answers[1]["resource"]["total"] == 1
    assert "resource" not in answers[2]


async def test_a_resources_text_elsewhere_in_its_entry_is_not_taken_for_it(
    client: httpx.AsyncClient,
) -> None:
    """Resources are cut out of their entries as bytes."""
    same = {"search": patient(), **entry("POST", "Patient", patient())}
    response = await send(client, entry("POST", "Patient", patient()), same)
    assert_outcome(response, 422, "structure", "Bundle.entry[1].search.resourceType")


async def test_an_empty_transaction(client: httpx.AsyncClient) -> None:
    """R-41."""
    body = {"resourceType": "Bundle", "type": "transaction"}
    response = await client.post("", json=body, headers=FHIR)
    assert_response_bundle(response, "transaction-response", [])


async def test_the_answer_is_minimal_unless_asked(client: httpx.AsyncClient) -> None:
    """R-22."""
    response = await send(client, entry("POST", "Patient", patient()))
    (answer,) = assert_response_bundle(response, "transaction-response", ["201"])
    assert "resource" not in answer
    made = answer["response"]
    assert made["status"] == "201 Created"
    assert made["etag"] == 'W/"1"'
    stored = (await client.get(made["location"])).json()
    assert stored["meta"]["lastUpdated"] == made["lastModified"]
