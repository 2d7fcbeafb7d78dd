"""The CapabilityStatement says what the server does. https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

import httpx
import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from fhir_server.app import Server
from fhir_server.dispatch import ROUTES
from fhir_server.operations.table import OPERATIONS
from tests.api.assertions import Json, assert_outcome


@pytest.fixture
async def statement(client: httpx.AsyncClient) -> Json:
    response = await client.get("metadata")
    assert response.status_code == 200
    found: Json = response.json()
    return found


async def test_r_29_the_statement_is_an_instance_of_r4(statement: Json) -> None:
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["kind"] == "instance"
    assert statement["date"]
    assert statement["rest"][0]["mode"] == "server"
    CapabilityStatement.model_validate(statement)


async def test_r_30_every_type_and_parameter_is_listed(server: Server, statement: Json) -> None:
    resources = statement["rest"][0]["resource"]
    assert len(resources) == 146
    observation = next(r for r in resources if r["type"] == "Observation")
    names = {p["name"] for p in observation["searchParam"]}
    assert {"code", "value-quantity", "component-code-value-quantity", "patient"} <= names
    assert "Observation:subject" in observation["searchInclude"]
    assert "DiagnosticReport:result" in observation["searchRevInclude"]


async def test_r_30_routes_and_interactions_agree(statement: Json) -> None:
    rest = statement["rest"][0]
    said = {i["code"] for i in rest["resource"][0]["interaction"]} | {
        i["code"] for i in rest["interaction"]
    }
    conditional = {"conditional-update", "conditional-patch", "conditional-delete"}
    routed = {route.code for route in ROUTES} - conditional - {"capabilities", "search-compartment"}
    assert said == routed | {"batch"}


async def test_r_30_every_operation_is_listed_where_it_can_be_called(statement: Json) -> None:
    rest = statement["rest"][0]
    for operation in OPERATIONS:
        if "system" in operation.levels:
            assert operation.code in {o["name"] for o in rest["operation"]}
        for type_ in operation.types:
            resource = next(r for r in rest["resource"] if r["type"] == type_)
            assert operation.code in {o["name"] for o in resource["operation"]}


@pytest.mark.parametrize("mode", ["full", "normative"])
async def test_r_29_modes(client: httpx.AsyncClient, mode: str) -> None:
    response = await client.get("metadata", params={"mode": mode})
    assert response.json()["resourceType"] == "CapabilityStatement"


async def test_r_29_terminology_mode_and_unknown_ones(client: httpx.AsyncClient) -> None:
    response = await client.get("metadata", params={"mode": "terminology"})
    assert response.json()["resourceType"] == "TerminologyCapabilities"
    assert_outcome(await client.get("metadata", params={"mode": "x"}), 400, "invalid")


async def test_the_statement_can_be_had_in_xml(client: httpx.AsyncClient) -> None:
    response = await client.get("metadata", headers={"Accept": "application/fhir+xml"})
    assert response.text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert "<CapabilityStatement" in response.text
