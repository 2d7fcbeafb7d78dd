"""$graphql at the door: what is refused, fails or ends, and what the caller may not see.

https://hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

import json
from itertools import pairwise

import httpx
import pytest

from fhir_server.access.grant import Action, Grant, Rule
from fhir_server.exchange import FhirRequest, Target
from fhir_server.operations.graphql import loading
from fhir_server.operations.graphql.operation import graphql
from tests.api.graphql_records import weighed
from tests.searching import stored


@pytest.fixture
async def one(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server with one patient who was weighed once."""
    return await weighed(client)


@pytest.fixture
async def filled(one: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same server with the resources of the searches."""
    return await stored(one)


REFUSED = [
    ("{ nam { family } }", "Patient has no field 'nam'; did you mean name?"),
    ("{ name }", "name is an object"),
    ("{ id { x } }", "id is a plain value"),
    ("{ name(uses: official) { use } }", "name has no argument 'uses'"),
    ("{ birthDate(_count: 1) }", "birthDate has no argument '_count'"),
    ("{ name { given(_count: 1) } }", "given has no argument '_count'"),
    ("{ managingOrganization { resource { nothing } } }", "nothing is no field of any resource"),
    ("{ managingOrganization { resource { status { x } } } }", "status is a plain value"),
    ("{ managingOrganization { resource(type: Practitioner) { status } } }",
     "Practitioner has no field 'status'"),
    ("{ managingOrganization { resource(type: Practioner) { id } } }",
     "resource cannot be of type Practioner"),
    ("{ ObservationConnection(_reference: patient, _cursor: \"x\") { next } }",
     "goes on by its cursor at the root"),
    ("{ id @flat }", "There is no @flat"),
    ("{ name @first @slice(path: \"use\") { use } }", "@first and @slice"),
    ("{ ...on Observation { id } }", "A Patient is never a Observation"),
    ("{ ...on Nothing { id } }", "There is no type Nothing"),
    ("{ ObservationList { id } }", "needs _reference"),
    ("{ __schema { types { name } } }", "Introspection is not supported"),
    ("mutation { PatientDelete(id: 1) { id } }", "mutation is not supported"),
    ("{ id ", "Syntax Error"),
    ("{ ...A } fragment A on Patient { ...A }", "Cannot spread fragment"),
    ("query ($x: Int!) { name(_count: $x) { use } }", "$x needs a value"),
    ("query A { id } query B { id }", "operationName must pick one"),
    ("{ a: " + "contact { " * 3 + "name }" + "}" * 3, "has no field 'contact'"),
    ("{" * 5000 + "}" * 5000, "too large"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "text"), REFUSED, ids=[row[0][:50] for row in REFUSED])
async def test_what_cannot_be_asked_is_refused_in_both_forms(one, query, text):
    answer = await one.post("Patient/p/$graphql", json={"query": query})
    assert answer.status_code == 400
    assert "data" not in answer.json()
    messages = [error["message"] for error in answer.json()["errors"]]
    assert any(text in message for message in messages), messages
    outcome = answer.json()["errors"][0]["extensions"]["resource"]
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["severity"] == "error"


FAILED = [
    ("{ managingOrganization { resource { status } } }",
     ["managingOrganization", "resource", "status"], "invalid",
     {"managingOrganization": {"resource": {"status": None}}}),
    ("{ id ObservationList(_reference: patent) { id } }",
     ["ObservationList"], "not-supported", {"id": "p", "ObservationList": None}),
    ("{ id ObservationList(_reference: patient, status: \"final\", date: \"x\") { id } }",
     ["ObservationList"], "invalid", {"id": "p", "ObservationList": None}),
    ("{ id name(fhirpath: \"given.(\") { use } }", ["name"], "invalid", {"id": "p", "name": None}),
    ("{ id a: birthDate a: gender }", ["a"], "invalid", {"id": "p", "a": None}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "path", "code", "data"), FAILED, ids=[row[0] for row in FAILED])
async def test_a_field_that_fails_is_null_and_told(one, query, path, code, data):
    answer = await one.post("Patient/p/$graphql", json={"query": query})
    assert answer.status_code == 200
    assert answer.json()["data"] == data
    (error,) = answer.json()["errors"]
    assert error["path"] == path
    assert error["extensions"]["resource"]["issue"][0]["code"] == code


async def test_a_reference_that_leads_nowhere_is_all_there_is(one):
    """Unless it is optional: the error stands in the place of the data."""
    query = "{ id generalPractitioner { resource { id } } }"
    answer = await one.post("Patient/p/$graphql", json={"query": query})
    assert answer.status_code == 422
    assert "data" not in answer.json()
    (error,) = answer.json()["errors"]
    assert error["path"] == ["generalPractitioner", 0, "resource"]
    assert error["extensions"]["resource"]["issue"][0]["code"] == "not-found"


COLLATED = [
    ("{ name @flatten { family @singleton } }", "2 values"),
    ("{ name @flatten { x: use } contact @flatten { name @flatten { x: family } } }",
     "a code and a string"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "text"), COLLATED)
async def test_what_cannot_be_collated_is_an_error(one, query, text):
    answer = await one.post("Patient/p/$graphql", json={"query": query})
    assert any(text in error["message"] for error in answer.json()["errors"]), answer.text


async def test_an_instance_that_is_not_there_is_404(one):
    answer = await one.post("Patient/nobody/$graphql", json={"query": "{ id }"})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["extensions"]["resource"]["issue"][0]["code"] == "not-found"


async def test_a_fragment_that_multiplies_itself_is_bounded(one):
    names = [f"F{number}" for number in range(20)]
    fragments = [
        f"fragment {name} on Patient {{ ...{below} ...{below} }}" for name, below in pairwise(names)
    ]
    query = "{ ...F0 } " + " ".join(fragments) + " fragment F19 on Patient { id }"
    answer = await one.post("Patient/p/$graphql", json={"query": query})
    assert answer.status_code == 400
    assert "3,000 fields" in answer.json()["errors"][0]["message"]


async def test_a_query_that_reads_too_much_ends(filled, monkeypatch):
    monkeypatch.setattr(loading, "MAX_RESOURCES", 3)
    query = "{ ObservationList { subject { resource { id } } } }"
    answer = await filled.post("$graphql", json={"query": query})
    assert answer.status_code == 422
    outcome = answer.json()["errors"][0]["extensions"]["resource"]
    assert outcome["issue"][0]["code"] == "too-costly"


async def test_nothing_is_shown_that_the_grant_hides(filled, server):
    """S-32: neither by reference, nor by search, nor in a total."""
    services = server._pages.state.services
    actions = frozenset((Action.READ, Action.SEARCH))
    grant = Grant(
        "test",
        "only one record",
        (Rule(actions, frozenset({"Observation", "Patient"}), (frozenset({"in=Patient/a"}),)),),
    )
    query = (
        "{ ObservationList { id } PatientConnection { count } Patient(id: b) { id } "
        'hidden: Organization(id: "h") { id } OrganizationList { id } '
        'Patient2: Patient(id: "a") { managingOrganization { resource(optional: true) { id } } } }'
    ).replace("id: b", 'id: "b"')
    request = FhirRequest(
        "GET", "$graphql", grant, "http://x/fhir", query=(("query", query),), target=Target()
    )
    answer = json.loads((await graphql(request, services)).body)
    assert sorted(one["id"] for one in answer["data"]["ObservationList"]) == ["o1", "o2", "o3"]
    assert answer["data"]["PatientConnection"] == {"count": 1}
    assert answer["data"]["Patient"] is None
    assert answer["data"]["hidden"] is None
    assert answer["data"]["OrganizationList"] is None
    assert answer["data"]["Patient2"] == {"managingOrganization": {}}
    assert len(answer["errors"]) == 3
