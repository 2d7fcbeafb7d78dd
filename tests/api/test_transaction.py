"""Transaction. https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import itertools
from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.api.assertions import FHIR, assert_outcome, assert_response_bundle, identified, patient

Json = dict[str, Any]

A = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
B = "urn:uuid:0b4a3f1e-5a3c-4d3e-9c55-7d3f0b6f3e11"
C = "urn:oid:1.2.3.4.5"


def entry(method: str, url: str, resource: Json | None = None, **more: str) -> Json:
    """An entry; `fullUrl` is its own, everything else its request's."""
    made: Json = {}
    if "fullUrl" in more:
        made["fullUrl"] = more.pop("fullUrl")
    if resource is not None:
        made["resource"] = resource
    made["request"] = {"method": method, "url": url, **more}
    return made


def account(*subjects: str, **more: Any) -> Json:
    references = [{"reference": subject} for subject in subjects]
    return {"resourceType": "Account", "status": "active", "subject": references, **more}


async def send(client: httpx.AsyncClient, *entries: Json, **headers: str) -> httpx.Response:
    body = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
    return await client.post("", json=body, headers={**FHIR, **headers})


async def done(client: httpx.AsyncClient, *entries: Json, statuses: str) -> list[Json]:
    response = await send(client, *entries, Prefer="return=representation")
    return assert_response_bundle(response, "transaction-response", statuses.split())


async def count(client: httpx.AsyncClient, type_: str = "Patient") -> int:
    found: int = (await client.get(f"{type_}?_total=accurate")).json()["total"]
    return found


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


async def test_full_urls_are_rewritten_everywhere(client: httpx.AsyncClient) -> None:
    """R-35, P-03: references, uris, narratives; forwards, backwards, to itself; no canonical."""
    absolute = "http://example.org/fhir/Patient/9"
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{A}">a</a>'
        f'<img src="{absolute}" alt="{A}"/>{A}</div>'
    )
    answers = await done(
        client,
        entry(
            "POST",
            "DocumentReference",
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "meta": {"profile": [A]},
                "text": {"status": "generated", "div": div},
                "contained": [account(A, id="c")],
                "context": {"related": [{"reference": "#c"}]},
                "subject": {"reference": A, "display": A},
                "author": [{"reference": absolute}],
                "relatesTo": [{"code": "appends", "target": {"reference": C}}],
                "content": [{"attachment": {"url": B}}],
                "identifier": [{"system": "urn:ietf:rfc:3986", "value": A}],
            },
            fullUrl=C,
        ),
        entry("POST", "Patient", patient(), fullUrl=A),
        entry(
            "POST",
            "Patient",
            patient(link=[{"other": {"reference": A}, "type": "seealso"}]),
            fullUrl=absolute,
        ),
        entry("POST", "Binary", {"resourceType": "Binary", "contentType": "text/plain"}, fullUrl=B),
        statuses="201 201 201 201",
    )
    stored, first, second, binary = (answer["resource"] for answer in answers)
    a, other = f"Patient/{first['id']}", f"Patient/{second['id']}"
    assert stored["subject"] == {"reference": a, "display": A}
    assert stored["author"] == [{"reference": other}]
    assert stored["contained"][0]["subject"] == [{"reference": a}]
    assert stored["relatesTo"][0]["target"]["reference"] == f"DocumentReference/{stored['id']}"
    assert stored["content"][0]["attachment"]["url"] == f"Binary/{binary['id']}"
    assert stored["identifier"][0]["value"] == A
    assert stored["meta"]["profile"] == [A]
    assert f'<a href="{a}">a</a><img src="{other}" alt="{A}"/>{A}</div>' in stored["text"]["div"]
    assert second["link"][0]["other"]["reference"] == a
    found = await client.get(f"DocumentReference?subject={a}")
    assert found.json()["total"] == 1


async def test_relative_references_count_from_the_full_url(client: httpx.AsyncClient) -> None:
    """R-36: below another base they may mean an entry; otherwise they mean this server."""
    base = "http://example.org/fhir"
    answers = await done(
        client,
        entry("POST", "Account", account("Patient/1", "Patient/2"), fullUrl=f"{base}/Account/1"),
        entry("POST", "Account", account("Patient/1"), fullUrl=A),
        entry("POST", "Patient", patient(), fullUrl=f"{base}/Patient/1"),
        statuses="201 201 201",
    )
    id_ = answers[2]["resource"]["id"]
    assert [s["reference"] for s in answers[0]["resource"]["subject"]] == [
        f"Patient/{id_}",
        "Patient/2",
    ]
    assert answers[1]["resource"]["subject"] == [{"reference": "Patient/1"}]


async def test_references_to_updates_and_matches_lead_to_what_is_there(
    client: httpx.AsyncClient,
) -> None:
    """R-36: the fullUrl of a PUT, of a conditional PUT and of a conditional POST."""
    await client.put("Patient/a", json=identified("a", id="a"), headers=FHIR)
    await client.put("Patient/b", json=identified("b", id="b"), headers=FHIR)
    answers = await done(
        client,
        entry("POST", "Account", account(A, B, C)),
        entry("PUT", "Patient/c", patient(id="c"), fullUrl=A),
        entry("PUT", "Patient?identifier=a", identified("a"), fullUrl=B),
        entry("POST", "Patient", identified("b"), ifNoneExist="identifier=b", fullUrl=C),
        statuses="201 201 200 200",
    )
    subjects = [subject["reference"] for subject in answers[0]["resource"]["subject"]]
    assert subjects == ["Patient/c", "Patient/a", "Patient/b"]
    assert answers[3]["response"]["location"].endswith("/Patient/b/_history/1")


async def test_version_specific_references_stay_so(client: httpx.AsyncClient) -> None:
    """R-35: with the version that the transaction makes."""
    await client.put("Patient/a", json=patient(id="a"), headers=FHIR)
    answers = await done(
        client,
        entry(
            "POST",
            "Account",
            account(f"{A}/_history/1", f"{B}/_history/33", "Patient/a/_history/1"),
        ),
        entry("POST", "Patient", patient(), fullUrl=A),
        entry("PUT", "Patient/a", patient(id="a"), fullUrl=B),
        statuses="201 201 200",
    )
    subjects = [subject["reference"] for subject in answers[0]["resource"]["subject"]]
    created = answers[1]["resource"]["id"]
    assert subjects == [
        f"Patient/{created}/_history/1",
        "Patient/a/_history/2",
        "Patient/a/_history/1",
    ]


async def test_a_urn_that_no_entry_has_is_refused(client: httpx.AsyncClient) -> None:
    """R-39, P-03: it could never be followed."""
    response = await send(
        client, entry("POST", "Account", account(A)), entry("DELETE", "Patient/a", fullUrl=A)
    )
    assert_outcome(response, 422, "not-found", "Bundle.entry[0].resource.subject[0].reference")


async def test_conditional_references(client: httpx.AsyncClient) -> None:
    """R-37: to what is stored, and to what the same Bundle makes."""
    await client.put("Patient/a", json=identified("a", id="a"), headers=FHIR)
    await client.put("Patient/b", json=patient(id="b", name=[{"family": "Changed"}]), headers=FHIR)
    answers = await done(
        client,
        entry(
            "POST",
            "Account",
            account(
                "Patient?identifier=urn:example:mrn|a",
                "Patient?identifier=new",
                "Patient?family=changed",
            ),
        ),
        entry("POST", "Patient", identified("new")),
        entry("PUT", "Patient/b", patient(id="b", name=[{"family": "Changed"}])),
        statuses="201 201 200",
    )
    subjects = [subject["reference"] for subject in answers[0]["resource"]["subject"]]
    assert subjects == ["Patient/a", f"Patient/{answers[1]['resource']['id']}", "Patient/b"]
    assert (await client.get("Account?subject=Patient/a")).json()["total"] == 1


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("Patient?identifier=none", 412, "not-found"),
        ("Patient?identifier=deleted", 412, "not-found"),
        ("Patient?identifier=before", 412, "not-found"),
        ("Patient?identifier=many", 412, "multiple-matches"),
        ("Patient?identifier=twice", 412, "multiple-matches"),
        ("Patient?unknown=1", 400, "not-supported"),
        ("Patient?identifier=", 400, "invalid"),
    ],
)
async def test_a_conditional_reference_needs_exactly_one_match(
    client: httpx.AsyncClient, text: str, status: int, code: str
) -> None:
    """R-37."""
    for _ in range(2):
        await client.post("Patient", json=identified("many"), headers=FHIR)
    await client.put("Patient/t", json=identified("twice", id="t"), headers=FHIR)
    await client.put("Patient/d", json=identified("deleted", id="d"), headers=FHIR)
    await client.put("Patient/u", json=identified("before", id="u"), headers=FHIR)
    response = await send(
        client,
        entry("PUT", "Patient/u", identified("after", id="u")),
        entry("POST", "Patient", identified("twice")),
        entry("DELETE", "Patient/d"),
        entry("POST", "Account", account("Patient/t", text)),
    )
    place = "Bundle.entry[3].resource.subject[1].reference"
    assert_outcome(response, status, code, place)
    assert (await count(client), await count(client, "Account")) == (5, 0)


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


async def test_full_urls_must_differ(client: httpx.AsyncClient) -> None:
    response = await send(
        client,
        entry("POST", "Patient", patient(), fullUrl=A),
        entry("POST", "Patient", patient(), fullUrl=A),
    )
    assert_outcome(response, 400, "duplicate", "Bundle.entry[1].fullUrl")


async def test_the_same_condition_twice_creates_once(client: httpx.AsyncClient) -> None:
    """R-38, P-02: the second entry is answered with the resource of the first."""
    create = entry("POST", "Patient", identified("1"), ifNoneExist="identifier=1")
    first, second = await done(client, create, create, statuses="201 200")
    assert second["response"]["location"] == first["response"]["location"]
    assert await count(client) == 1
    await done(client, create, create, statuses="200 200")
    assert await count(client) == 1


async def test_a_condition_may_name_another_entry(client: httpx.AsyncClient) -> None:
    """R-38, P-02: a fullUrl in ifNoneExist means what that entry comes to."""
    entries = [
        entry("POST", "Account", account(A), ifNoneExist=f"subject={A}"),
        entry("POST", "Patient", identified("1"), ifNoneExist="identifier=1", fullUrl=A),
    ]
    await done(client, *entries, statuses="201 201")
    await done(client, *entries, statuses="200 200")
    assert (await count(client), await count(client, "Account")) == (1, 1)


async def test_conditional_create_with_several_matches_fails(client: httpx.AsyncClient) -> None:
    """P-02."""
    for _ in range(2):
        await client.post("Patient", json=identified("1"), headers=FHIR)
    create = entry("POST", "Patient", identified("1"), ifNoneExist="identifier=1")
    response = await send(client, entry("POST", "Account", account("Patient/a")), create)
    place = "Bundle.entry[1].request.ifNoneExist"
    assert_outcome(response, 412, "multiple-matches", place)
    assert await count(client, "Account") == 0


async def test_conditional_update_and_patch_in_a_transaction(client: httpx.AsyncClient) -> None:
    """R-13, R-14, R-40."""
    await client.put("Patient/a", json=identified("a", id="a"), headers=FHIR)
    await client.put("Patient/b", json=identified("b", id="b"), headers=FHIR)
    change = f'[{{"op":"add","path":"/managingOrganization","value":{{"reference":"{A}"}}}}]'
    binary = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": b64encode(change.encode()).decode(),
    }
    organization = {"resourceType": "Organization", "name": "O"}
    answers = await done(
        client,
        entry("PATCH", "Patient?identifier=b", binary),
        entry("PUT", "Patient?identifier=a", identified("a", active=True)),
        entry("PUT", "Patient?identifier=c", identified("c")),
        entry("POST", "Organization", organization, fullUrl=A),
        statuses="200 200 201 201",
    )
    made = f"Organization/{answers[3]['resource']['id']}"
    assert answers[0]["resource"]["managingOrganization"] == {"reference": made}
    assert (await client.get("Patient/a")).json()["active"] is True
    assert (await client.get(f"Patient?organization={made}")).json()["total"] == 1
    for refused, status in (
        (entry("PUT", "Patient?identifier=a", identified("a", id="zz")), 400),
        (entry("PUT", "Patient?identifier=none", identified("x", id="a")), 409),
        (entry("PATCH", "Patient?identifier=none", binary), 412),
        (entry("PATCH", "Patient/none", binary), 404),
    ):
        assert (await send(client, refused)).status_code == status, refused


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
