"""References between the entries of a transaction. https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

import httpx
import pytest

from tests.api.assertions import FHIR, assert_outcome, identified, patient
from tests.api.transactions import A, B, C, account, count, done, entry, send


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


async def test_full_urls_must_differ(client: httpx.AsyncClient) -> None:
    response = await send(
        client,
        entry("POST", "Patient", patient(), fullUrl=A),
        entry("POST", "Patient", patient(), fullUrl=A),
    )
    assert_outcome(response, 400, "duplicate", "Bundle.entry[1].fullUrl")
