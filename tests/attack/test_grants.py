"""A caller with a narrow grant tries to learn, or to change, what is not its own.

Each attack is named after the path it takes (CONFORMANCE S-30 to S-40, pitfalls P-30 and P-32). Not
one answer may hold what stands in the other record alone, and where it matters the answer is the
very one that is given where nothing is there.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.attack.records import SECRET
from tests.callers import CATEGORY, Served, observation

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = {"patient": "a", "fhir_user": "Patient/a"}
LABORATORY = f"patient/Observation.cruds?category={CATEGORY}|laboratory"
HIDDEN = ("Patient/b", "Observation/lab-b", "Condition/k-b", "Encounter/e-b")

GETS = {
    "read": "Observation/lab-b",
    "read of the other patient": "Patient/b",
    "vread": "Observation/lab-b/_history/1",
    "history of an instance": "Observation/lab-b/_history",
    "history of a type": "Condition/_history",
    "history of the system": "_history",
    "search by id": "Observation?_id=lab-b",
    "search by patient": "Observation?patient=b",
    "search of everything": "?_type=Patient,Observation,Condition,Encounter",
    "compartment": "Patient/b/Condition",
    "compartment of everything": "Patient/b/*",
    "compartment of an encounter": "Encounter/e-b/Observation",
    "include": "Observation?_id=points&_include=Observation:has-member",
    "include of everything": "Observation?_id=points&_include=*",
    "include again and again": "Observation?_id=points&_include:iterate=*",
    "include through what is shared": (
        "Organization?_revinclude=Patient:organization&_revinclude:iterate=Observation:patient"
    ),
    "reverse include": "Encounter?_revinclude=Observation:encounter",
    "chain": f"Observation?patient.family={SECRET}",
    "chain through an own resource": f"Observation?encounter.subject:Patient.family={SECRET}",
    "reverse chain": "Organization?_has:Patient:organization:birthdate=1950-05-05",
    "reverse chain by id": "Organization?_has:Patient:organization:_id=b",
    "sort": "Patient?_sort=family",
    "accurate total": "Condition?_total=accurate",
    "count alone": "Condition?_summary=count",
    "elements": "Patient?_elements=name",
    "summary text": "Patient/b?_summary=text",
    "negation": "Patient?family:not=x",
    "missing": "Condition?code:missing=false",
    "tags in use": "Condition/$meta",
    "tags in use anywhere": "$meta",
    "everything": "Patient/b/$everything",
    "everything of an own encounter": "Encounter/e-b/$everything",
    "last observations": "Observation/$lastn?patient=b&category=laboratory",
    "validate what is stored": "Observation/lab-b/$validate",
    "words": f"Condition?_content={SECRET}",
    "filter": f'Patient?_filter=family eq "{SECRET}"',
    "patterns": "Patient?family:contains=top",
    "explain": "Patient?_explain=true",
    "explain as an operation": "Patient/$explain?family=x",
    "graphql of an instance": "Patient/b/$graphql?query={name{family}}",
    "graphql of a list": "$graphql?query={PatientList{name{family}}}",
    "graphql by reference": (
        "Observation/points/$graphql?query={hasMember{resource{...on Observation{note{text}}}}}"
    ),
}


@pytest.mark.parametrize("scope", ["patient/*.cruds", "user/*.cruds", LABORATORY])
@pytest.mark.parametrize("name", GETS)
async def test_no_answer_shows_the_other_record(name: str, scope: str, world: Served) -> None:
    answer = await world.ask("GET", GETS[name], await world.token(scope, **OWN))
    assert answer.status_code < 500, answer.text
    own_words = answer.text.replace(GETS[name], "")
    if answer.status_code == 200:
        document = answer.json()
        for entry in document.get("entry", ()):
            place = f"{entry['resource']['resourceType']}/{entry['resource'].get('id')}"
            assert place not in HIDDEN
        document.pop("link", None)
        own_words = json.dumps(document)
        if document.get("type") == "searchset" and "total" in document:
            shown = [e for e in document.get("entry", ()) if e["search"]["mode"] == "match"]
            assert document["total"] == len(shown) or "_summary=count" in GETS[name]
    assert SECRET not in own_words


async def test_count_alone_counts_what_is_shown(world: Served) -> None:
    token = await world.token("patient/*.rs", **OWN)
    answer = await world.ask("GET", "Condition?_summary=count", token)
    assert answer.json()["total"] == 0


async def test_what_is_hidden_answers_as_what_is_not_there(world: Served) -> None:
    token = await world.token("patient/*.cruds", **OWN)
    for place in HIDDEN:
        type_ = place.partition("/")[0]
        for method in ("GET", "DELETE"):
            for below in ("", "/_history", "/_history/1") if method == "GET" else ("",):
                hidden = await world.ask(method, place + below, token)
                absent = await world.ask(method, f"{type_}/absent{below}", token)
                assert hidden.status_code == absent.status_code
                assert hidden.text.replace(place.partition("/")[2], "absent") == absent.text


BODIES: dict[str, tuple[str, str, Any]] = {
    "create in the other record": ("POST", "Observation", observation("x", "b")),
    "create in nobody's record": (
        *("POST", "Observation"),
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
    ),
    "create in both records": (
        *("POST", "Observation"),
        observation("x", "a", performer=[{"reference": "Patient/b"}]),
    ),
    "create a patient": ("POST", "Patient", {"resourceType": "Patient"}),
    "update what is hidden": ("PUT", "Observation/lab-b", observation("lab-b", "a")),
    "update with an id of one's own choice": ("PUT", "Observation/new", observation("new", "a")),
    "update that moves to the other record": (
        "PUT",
        "Observation/lab-a",
        observation("lab-a", "b"),
    ),
    "update that leaves every record": (
        *("PUT", "Observation/lab-a"),
        {"resourceType": "Observation", "id": "lab-a", "status": "final", "code": {"text": "x"}},
    ),
    "update of what is shared": (
        *("PUT", "Organization/g"),
        {"resourceType": "Organization", "id": "g", "name": "Mine"},
    ),
    "conditional update onto the hidden id": (
        *("PUT", "Observation?code=none-such"),
        observation("lab-b", "a"),
    ),
    "condition that would find the hidden": (
        "PUT",
        "Patient?family=topsecret",
        {"resourceType": "Patient"},
    ),
    "label what is hidden": (
        "POST",
        "Observation/lab-b/$meta-add",
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}],
        },
    ),
    "take labels of what is hidden": (
        "POST",
        "Condition/k-b/$meta-delete",
        {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": SECRET}]}}],
        },
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_no_write_reaches_beyond_the_own_record(name: str, world: Served) -> None:
    method, path, body = BODIES[name]
    answer = await world.ask(method, path, await world.token("patient/*.cruds", **OWN), json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert SECRET not in answer.text.replace(path, "")


PATCHES: dict[str, Any] = {
    "patch that moves": [{"op": "replace", "path": "/subject/reference", "value": "Patient/b"}],
    "patch that leaves": [{"op": "remove", "path": "/subject"}],
    "patch that adds the other one": [
        {"op": "add", "path": "/performer", "value": [{"reference": "Patient/b"}]}
    ],
}


@pytest.mark.parametrize("name", PATCHES)
async def test_no_patch_moves_out_of_the_own_record(name: str, world: Served) -> None:
    answer = await world.ask(
        *("PATCH", "Observation/lab-a", await world.token("patient/*.cruds", **OWN)),
        content=json.dumps(PATCHES[name]),
        headers={"Content-Type": "application/json-patch+json"},
    )
    assert answer.status_code == 403, answer.text


async def test_a_patch_without_the_right_to_read_tests_nothing(world: Served) -> None:
    """`test` of JSON Patch would tell value by value what the caller may not read."""
    token = await world.token("patient/Observation.u", **OWN)
    for value in ("final", "amended"):
        answer = await world.ask(
            *("PATCH", "Observation/lab-a", token),
            content=json.dumps([{"op": "test", "path": "/status", "value": value}]),
            headers={"Content-Type": "application/json-patch+json"},
        )
        assert answer.status_code == 403


async def test_meta_add_without_the_right_to_read_shows_no_labels(world: Served) -> None:
    token = await world.token("patient/Observation.u", **OWN)
    label = {"tag": [{"system": "urn:x", "code": "x"}]}
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": label}]}
    answer = await world.ask("POST", "Observation/lab-a/$meta-add", token, json=meta)
    assert answer.status_code == 403


@pytest.mark.parametrize("header", ["patient=b", f"code:text={SECRET}", "_id=lab-b"])
async def test_a_conditional_create_tells_nothing_of_the_hidden_s_32(
    header: str, world: Served
) -> None:
    """It is made as if nothing matched: what is hidden is not there."""
    token = await world.token("patient/*.cruds", **OWN)
    answer = await world.ask(
        *("POST", "Observation", token),
        json=observation("x", "a"),
        headers={"If-None-Exist": header},
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("letters", ["c", "cu", "cud", "crud"])
async def test_conditions_need_the_right_to_search_s_32(letters: str, world: Served) -> None:
    token = await world.token(f"patient/Observation.{letters}", **OWN)
    answer = await world.ask(
        *("POST", "Observation", token),
        json=observation("x", "a"),
        headers={"If-None-Exist": "patient=a"},
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("kind", ["batch", "transaction"])
@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "Patient/b"),
        ("GET", "Observation?patient=b"),
        ("DELETE", "Condition/k-b"),
        ("DELETE", "Condition?patient=b"),
        ("PUT", "Observation/lab-b"),
        ("POST", "Observation"),
        ("PATCH", "Observation/lab-b"),
    ],
)
async def test_an_entry_of_a_bundle_reaches_no_further_s_31(
    kind: str, method: str, url: str, world: Served
) -> None:
    entry: dict[str, Any] = {"request": {"method": method, "url": url}}
    if method in ("PUT", "POST"):
        entry["resource"] = observation("lab-b", "b")
    if method == "PATCH":
        entry["resource"] = {"resourceType": "Parameters", "parameter": []}
    body = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
    answer = await world.ask("POST", "", await world.token("patient/*.cruds", **OWN), json=body)
    assert answer.status_code < 500
    assert SECRET not in answer.text
    assert (await world.ask("GET", "Condition/k-b", await world.signed())).status_code == 200
    kept = await world.ask("GET", "Observation/lab-b", await world.signed())
    assert kept.json()["meta"]["versionId"] == "1"


async def test_a_granular_scope_writes_nothing_but_its_own_kind(world: Served) -> None:
    token = await world.token(LABORATORY, **OWN)
    vital = observation("vital-a", "a", "vital-signs")
    assert (await world.ask("POST", "Observation", token, json=vital)).status_code == 403
    lab = observation("x", "a")
    assert (await world.ask("POST", "Observation", token, json=lab)).status_code == 201
    made_lab = observation("vital-a", "a", "laboratory")
    changed = await world.ask("PUT", "Observation/vital-a", token, json=made_lab)
    assert changed.status_code == 405
    left = await world.ask("PUT", "Observation/lab-a", token, json={**vital, "id": "lab-a"})
    assert left.status_code == 403


@pytest.mark.parametrize(
    "scope",
    [
        "patient/Observation.rs?category=laboratory&_include=Observation:subject",
        "patient/Observation.rs?category=laboratory&_include=*",
        "patient/Observation.rs?nonsense=x",
        "patient/Observation.rs?category:not=laboratory",
        "patient/Observation.rs?subject:Patient.name=a",
        "patient/Observation.rs?_has:Observation:subject:code=1-1",
        "patient/Observation.sr",
        "patient/Observation.rs%20patient/*.cruds",
        "patient/*.rs?category=laboratory",
        "PATIENT/*.cruds",
        "patient/**.rs",
    ],
)
async def test_a_scope_that_is_not_understood_grants_nothing_s_29_s_33(
    scope: str, world: Served
) -> None:
    token = await world.token(scope, **OWN)
    assert (await world.ask("GET", "Observation/lab-a", token)).status_code == 403


async def test_a_cursor_of_another_caller_is_refused(world: Served) -> None:
    doctor = await world.signed()
    first = await world.ask("GET", "Observation?_count=1", doctor)
    link = next(row["url"] for row in first.json()["link"] if row["relation"] == "next")
    mine = await world.token("patient/*.rs", **OWN)
    answer = await world.ask("GET", link, mine)
    assert answer.status_code == 400


async def test_history_follows_a_resource_that_moved_to_nobody(world: Served) -> None:
    """Filed under a by mistake, then moved to b: neither record shows the other's version."""
    await world.put(observation("moved", "a", note=[{"text": f"{SECRET} of b"}]))
    await world.put(observation("moved", "b", note=[{"text": f"{SECRET} of b"}]))
    a = await world.token("patient/*.rs", **OWN)
    b = await world.token("patient/*.rs", patient="b", fhir_user="Patient/b")
    for path in ("Observation/moved/_history", "Observation/moved/_history/1"):
        assert (await world.ask("GET", path, a)).status_code == 404
    for path in ("Observation/_history?_count=200", "_history?_count=200"):
        assert "moved" not in (await world.ask("GET", path, a)).text
        versions = (await world.ask("GET", path, b)).json()["entry"]
        assert [
            entry["resource"]["meta"]["versionId"]
            for entry in versions
            if entry["resource"]["id"] == "moved"
        ] == ["2"]
    assert (await world.ask("GET", "Observation/moved/_history/1", b)).status_code == 404
    assert (await world.ask("GET", "Observation/moved/_history/2", b)).status_code == 200


async def test_a_deletion_is_told_to_whom_the_resource_was_shown_alone(world: Served) -> None:
    await world.put(observation("gone", "b"))
    await world.remove("Observation/gone")
    a = await world.token("patient/*.rs", **OWN)
    b = await world.token("patient/*.rs", patient="b", fhir_user="Patient/b")
    assert (await world.ask("GET", "Observation/gone", a)).status_code == 404
    assert (await world.ask("GET", "Observation/gone", b)).status_code == 410
    assert "gone" not in (await world.ask("GET", "Observation/_history?_count=200", a)).text


async def test_a_granular_scope_by_date_judges_past_versions_and_deletions(world: Served) -> None:
    """The ordered keys lie in the history too."""
    await world.put(observation("dated", "a", effectiveDateTime="2019-01-01"))
    await world.put(observation("dated", "a", effectiveDateTime="2024-06-01"))
    token = await world.token("patient/Observation.rs?date=ge2024", **OWN)
    past = await world.ask("GET", "Observation/dated/_history", token)
    assert past.json()["total"] == 1
    assert (await world.ask("GET", "Observation/dated/_history/1", token)).status_code == 404
    await world.remove("Observation/dated")
    assert (await world.ask("GET", "Observation/dated", token)).status_code == 410
    other = await world.token("patient/Observation.rs?date=lt2020", **OWN)
    assert (await world.ask("GET", "Observation/dated", other)).status_code == 404
    assert (await world.ask("GET", "Observation/dated/_history", other)).status_code == 404


async def test_an_administrator_sees_no_health_data(world: Served) -> None:
    token = await world.token("user/*.cruds patient/*.cruds system/*.cruds", patient="b")
    for path in ("Patient/b", "Observation", "Patient/b/$everything", "$meta", "_history"):
        assert (await world.ask("GET", path, token)).status_code == 403


@pytest.mark.parametrize("path", ["_history", "Observation/_history", "Observation/lab-a/_history"])
async def test_a_history_inside_a_transaction_is_refused_and_no_fault(
    path: str, world: Served
) -> None:
    entry = {"request": {"method": "GET", "url": path}}
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = await world.ask("POST", "", await world.token("patient/*.cruds", **OWN), json=body)
    assert answer.status_code == 400, answer.text
