"""Conditional entries of a transaction. https://hl7.org/fhir/R4/http.html#trules"""

from __future__ import annotations

from base64 import b64encode

import httpx

from tests.api.assertions import FHIR, assert_outcome, identified
from tests.api.transactions import A, account, count, done, entry, send


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
