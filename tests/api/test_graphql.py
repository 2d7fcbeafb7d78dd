"""$graphql at the door: what is asked for comes back.

https://hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fhir_server.access.grant import Grant
from fhir_server.exchange import FhirRequest, Target
from fhir_server.operations.graphql.operation import graphql
from tests.api.graphql_records import asked, weighed
from tests.searching import stored


@pytest.fixture
async def one(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server with one patient who was weighed once."""
    return await weighed(client)


@pytest.fixture
async def filled(one: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same server with the resources of the searches."""
    return await stored(one)


OFFICIAL = {"family": "Chalmers", "given": ["Peter", "James"]}

INSTANCE = [
    ("{ id active birthDate gender }",
     {"id": "p", "active": True, "birthDate": "1974-12-25"}),
    ("{ resourceType __typename contact { __typename } }",
     {"resourceType": "Patient", "__typename": "Patient",
      "contact": [{"__typename": "PatientContact"}]}),
    ("{ born: birthDate _birthDate { extension { url valueString } } }",
     {"born": "1974-12-25",
      "_birthDate": {"extension": [{"url": "http://example.org/time", "valueString": "14:35"}]}}),
    ("{ name(use: official) { family given } }", {"name": [OFFICIAL]}),
    ('{ name(use: ["official", "usual"]) { use } }',
     {"name": [{"use": "official"}, {"use": "usual"}]}),
    ('{ name(given: "Jim") { use } }', {"name": [{"use": "usual"}]}),
    ("{ name(_offset: 1, _count: 1) { use } }", {"name": [{"use": "usual"}]}),
    ('{ name(fhirpath: "family.exists()") { use } }',
     {"name": [{"use": "official"}, {"use": "maiden"}]}),
    ('{ name(fhirpath: "$index = 2") { use } }', {"name": [{"use": "maiden"}]}),
    ('{ name(use: usual, _offset: 1) { use } }', {}),
    ('{ name(fhirpath: "family.exists()", _offset: 1) { use } }', {"name": [{"use": "maiden"}]}),
    ('{ name { use text family } }',
     {"name": [{"use": "official", "family": "Chalmers"}, {"use": "usual"},
               {"use": "maiden", "family": "Windsor"}]}),
    ("{ name @first { use given @first } }", {"name": {"use": "official", "given": "Peter"}}),
    ("{ name @flatten { given family } }",
     {"given": ["Peter", "James", "Jim", "Peter", "James"], "family": ["Chalmers", "Windsor"]}),
    ("{ name(use: official) @flatten { family @singleton } }", {"family": "Chalmers"}),
    ('{ name @flatten @slice(path: "use") { given @first family @first @singleton } }',
     {"given.official": ["Peter"], "family.official": "Chalmers",
      "given.usual": ["Jim"],
      "given.maiden": ["Peter"], "family.maiden": "Windsor"}),
    ('{ name @flatten @slice(path: "$index") { given family @singleton } }',
     {"given.0": ["Peter", "James"], "family.0": "Chalmers", "given.1": ["Jim"],
      "given.2": ["Peter", "James"], "family.2": "Windsor"}),
    ("{ name @flatten @first { text given family @singleton } }",
     {"given": ["Peter", "James"], "family": "Chalmers"}),
    ('{ name @slice(path: "$index") { use } }',
     {"name.0": [{"use.0": "official"}], "name.1": [{"use.1": "usual"}],
      "name.2": [{"use.2": "maiden"}]}),
    ("{ managingOrganization { reference resource { id ... on Organization { name } } } }",
     {"managingOrganization": {"reference": "#x", "resource": {"id": "x", "name": "Inside"}}}),
    ("{ managingOrganization { resource(type: Practitioner) { id } } }",
     {"managingOrganization": {}}),
    ("{ managingOrganization { resource { name } } }",
     {"managingOrganization": {"resource": {"name": "Inside"}}}),
    ("{ managingOrganization { resource(type: Practitioner) { active } "
     "resource(type: Organization) { name } } }",
     {"managingOrganization": {"resource": {"name": "Inside"}}}),
    ("{ managingOrganization { resource(type: [Practitioner, Organization]) { name } } }",
     {"managingOrganization": {"resource": {"name": "Inside"}}}),
    ("{ generalPractitioner { resource(optional: true) { id } } }",
     {"generalPractitioner": [{}]}),
    ("{ contained { ... on Organization { name } ... on Patient { active } } }",
     {"contained": [{"name": "Inside"}]}),
    ("{ ObservationList(_reference: patient) { id "
     "subject { resource { ... on Patient { id } } } } }",
     {"ObservationList": [{"id": "w", "subject": {"resource": {"id": "p"}}}]}),
    ("{ ConditionList(_reference: subject) { id } }", {"ConditionList": []}),
    ("{ ...P contact { ...C } } fragment P on Patient { active } "
     "fragment C on PatientContact { name { family } }",
     {"active": True, "contact": [{"name": {"family": "Du Marché"}}]}),
    ("{ name @first { use } ... { name @first { family } } }",
     {"name": {"use": "official", "family": "Chalmers"}}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "data"), INSTANCE, ids=[row[0] for row in INSTANCE])
async def test_one_resource(one, query, data):
    found = await asked(one, query)
    assert found == data
    assert list(found) == list(data)


SYSTEM = [
    ('{ Patient(id: "a") { id name { family } } }',
     {"Patient": {"id": "a", "name": [{"family": "Dupont"}]}}),
    ('{ PatientList(name: "dupont") { id } }', {"PatientList": [{"id": "a"}]}),
    ('{ PatientList(_id: ["a", "b"], _sort: "-birthdate") { id } }',
     {"PatientList": [{"id": "b"}, {"id": "a"}]}),
    ('{ PatientList(_id: ["a", "b"], _sort: "birthdate", _offset: 1, _count: 1) { id } }',
     {"PatientList": [{"id": "b"}]}),
    ('{ ObservationList(value_quantity: "gt80|http://unitsofmeasure.org|kg") { id } }',
     {"ObservationList": [{"id": "o5"}]}),
    ('{ one: ObservationList(patient: "Patient/a", code: "2-2") { id } '
     'two: ObservationList(patient: "b", date: "2020") { id subject { resource { ...N } } } } '
     "fragment N on Patient { name { family } }",
     {"one": [{"id": "o3"}],
      "two": [{"id": "o4", "subject": {"resource": {"name": [{"family": "Éluard"}]}}}]}),
    ('{ Patient(id: "a") { ObservationConnection(_reference: patient, _count: 1) '
     "{ count pagesize offset edges { mode resource { id } } previous } } }",
     {"Patient": {"ObservationConnection": {
         "count": 3, "pagesize": 1, "offset": 0,
         "edges": [{"mode": "match", "resource": {"id": "o3"}}]}}}),
    ('{ PatientList(fhirpath: "name.family = \'Dupont\'") { id } }',
     {"PatientList": [{"id": "a"}]}),
    ('{ PatientList(_sort: "_id", fhirpath: "id != \'a\'", _count: 1) { id } }',
     {"PatientList": [{"id": "b"}]}),
    ('{ PatientConnection(fhirpath: "id = \'b\'") { count edges { resource { id } } } }',
     {"PatientConnection": {"count": 4, "edges": [{"resource": {"id": "b"}}]}}),
    ('{ Patient(_id: "a") { id } }', {"Patient": {"id": "a"}}),
    ("{ PatientConnection(_count: 0) { count edges { mode } } }",
     {"PatientConnection": {"count": 4, "edges": []}}),
    ('{ PatientList(name: "nobody") { id } PatientConnection(name: "nobody") '
     "{ count next edges { mode } } }",
     {"PatientList": [], "PatientConnection": {"count": 0, "edges": []}}),
]  # fmt: skip


@pytest.mark.parametrize(("query", "data"), SYSTEM, ids=[row[0] for row in SYSTEM])
async def test_the_whole_server(filled, query, data):
    assert await asked(filled, query, "") == data


async def test_numbers_keep_their_digits(one):
    answer = await one.post("Observation/w/$graphql", json={"query": "{ valueQuantity { value } }"})
    assert answer.text == '{"data":{"valueQuantity":{"value":72.50}}}'


FIELDS = "{ next previous edges { resource { id } } }"


@pytest.mark.parametrize("name", ["_cursor", "cursor"])
async def test_a_connection_is_paged_by_its_cursor_alone(filled, name):
    """What was searched for lies in the cursor: the specification has no other argument then."""
    query = f"{{ PatientConnection(_sort: _id, _count: 2) {FIELDS} }}"
    more = f"query Q($at: String) {{ PatientConnection({name}: $at) {FIELDS} }}"
    page = (await asked(filled, query, ""))["PatientConnection"]
    assert [edge["resource"]["id"] for edge in page["edges"]] == ["a", "b"]
    assert "previous" not in page
    after = (await asked(filled, more, "", variables={"at": page["next"]}))["PatientConnection"]
    assert [edge["resource"]["id"] for edge in after["edges"]] == ["c", "p"]
    assert "next" not in after
    back = await asked(filled, more, "", variables={"at": after["previous"]})
    assert back["PatientConnection"]["edges"] == page["edges"]


async def test_a_nested_connection_goes_on_at_the_root(filled):
    query = f"{{ ObservationConnection(_reference: patient, _count: 1) {FIELDS} }}"
    page = (await asked(filled, query, "Patient/a/"))["ObservationConnection"]
    seen = [edge["resource"]["id"] for edge in page["edges"]]
    more = f"query Q($at: String) {{ ObservationConnection(_cursor: $at) {FIELDS} }}"
    while "next" in page:
        found = await asked(filled, more, "", variables={"at": page["next"]})
        page = found["ObservationConnection"]
        seen += [edge["resource"]["id"] for edge in page["edges"]]
    assert sorted(seen) == ["o1", "o2", "o3"]


@pytest.mark.parametrize(
    "cursor", ["x", "e30=", "WyJhIl0=", "W1tdLCAiIiwgIng=", "W1tdLCIiLCJ4Il0="]
)
async def test_a_cursor_that_is_none_is_told(filled, cursor):
    query = f'{{ PatientConnection(_cursor: "{cursor}") {{ next }} }}'
    answer = await filled.post("$graphql", json={"query": query})
    assert answer.json()["data"] == {"PatientConnection": None}
    assert "cursor" in answer.json()["errors"][0]["message"]


async def test_a_cursor_is_for_one_search(filled):
    query = f"{{ PatientConnection(_sort: _id, _count: 2) {FIELDS} }}"
    page = (await asked(filled, query, ""))["PatientConnection"]
    for other in (
        f'{{ PatientConnection(gender: male, _cursor: "{page["next"]}") {FIELDS} }}',
        f'{{ ObservationConnection(_cursor: "{page["next"]}") {FIELDS} }}',
    ):
        answer = await filled.post("$graphql", json={"query": other})
        assert "cursor" in answer.json()["errors"][0]["message"]


async def test_a_list_has_all_or_says_so(filled, server):
    """Never silently less than there is, unless `_count` asks for that."""
    services = server._pages.state.services
    small = replace(services, settings=services.settings.model_copy(update={"page_size_max": 3}))

    async def told(query: str) -> dict[str, Any]:
        request = FhirRequest(
            "GET", "$graphql", Grant.open(), "http://x/fhir", query=(("query", query),),
            target=Target(),
        )  # fmt: skip
        answer: dict[str, Any] = json.loads((await graphql(request, small)).body)
        return answer

    assert (await told("{ PatientList { id } }"))["errors"][0]["message"].startswith("More than 3")
    assert (await told("{ PatientList(_count: 4) { id } }"))["errors"]
    for count in (1, 3):
        answer = await told(f"{{ PatientList(_count: {count}) {{ id }} }}")
        assert len(answer["data"]["PatientList"]) == count


async def test_get_with_variables_and_an_operation_name(one):
    query = quote("query A { id } query B($with: Boolean = true) { id active @include(if: $with) }")
    at = f"Patient/p/$graphql?query={query}&operationName=B"
    assert (await one.get(at)).json() == {"data": {"id": "p", "active": True}}
    without = await one.get(f"{at}&variables={quote(json.dumps({'with': False}))}")
    assert without.json() == {"data": {"id": "p"}}


async def test_the_body_may_be_graphql_itself(one):
    answer = await one.post(
        "Patient/p/$graphql",
        content="{ active @skip(if: true) id }",
        headers={"Content-Type": "application/graphql"},
    )
    assert answer.json() == {"data": {"id": "p"}}
