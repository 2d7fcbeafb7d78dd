"""The terminology operations against tables, through the front door of a whole server.

Written from R4's OperationDefinitions, https://hl7.org/fhir/R4/terminology-service.html. All rows
are asked in their order on one server; each is a test of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from fhir_server.app import create_app
from fhir_server.settings import Settings
from tests.mongod import database

HERE = Path(__file__).parent
BASE = "http://127.0.0.1:8080/fhir/"
PLANTS = "http://example.org/plants"
DATABASE = "terminology_tables"
SECONDS = 2.0
"""No answer of these takes longer, whatever it was asked to do."""

Json = dict[str, Any]


def rows(name: str) -> list[Json]:
    text = (HERE / name).read_text()
    text = text.replace("{vs}", "http://example.org/vs").replace("{p}", PLANTS)
    found: list[Json] = yaml.safe_load(text)
    return found


EXPANSIONS, CODES = rows("expand.yaml"), rows("codes.yaml")


def test_there_are_enough_rows():
    assert len(EXPANSIONS) + len(CODES) >= 200
    for table in (EXPANSIONS, CODES):
        assert len({row["name"] for row in table}) == len(table)


def parameters(row: Json) -> Json:
    """The Parameters that a row sends: `uri x` has its type before it, booleans and objects not."""
    out: list[Json] = []
    for name, value in row.get("values", {}).items():
        if isinstance(value, bool):
            out.append({"name": name, "valueBoolean": value})
        elif isinstance(value, str):
            type_, _, text = value.partition(" ")
            out.append({"name": name, f"value{type_.capitalize()}": text})
        elif "resourceType" in value:
            out.append({"name": name, "resource": value})
        else:
            type_ = "CodeableConcept" if name == "codeableConcept" else "Coding"
            out.append({"name": name, f"value{type_}": value})
    if "set" in row:
        sent = {"resourceType": "ValueSet", "status": "active", "compose": row["set"]}
        out.append({"name": "valueSet", "resource": sent})
    for code in row.get("concepts", ()):
        out.append({"name": "concept", "valueCoding": {"system": PLANTS, "code": code}})
    for code, value in row.get("wanted", {}).items():
        kind = "valueBoolean" if isinstance(value, bool) else "valueCode"
        parts = [{"name": "code", "valueCode": code}, {"name": "value", kind: value}]
        out.append({"name": "property", "part": parts})
    if "dependency" in row:
        known = row["dependency"]
        coding = {"coding": [{"system": known["system"], "code": known["code"]}]}
        parts = [
            {"name": "element", "valueUri": known["element"]},
            {"name": "concept", "valueCodeableConcept": coding},
        ]
        out.append({"name": "dependency", "part": parts})
    return {"resourceType": "Parameters", "parameter": out}


Answers = dict[int, tuple[httpx.Response, float]]
"""By the `id` of the row."""


async def ask_all(mongodb: str) -> Answers:
    app = create_app(Settings(mongodb_uri=mongodb, mongodb_database=DATABASE, access="open"))
    found: Answers = {}
    async with app.opened():
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            for one in rows("resources.yaml"):
                answer = await client.put(f"{one['resourceType']}/{one['id']}", json=one)
                assert answer.status_code == 201, answer.text
            for row in (*EXPANSIONS, *CODES):
                start = time.perf_counter()
                if "ask" in row:
                    answer = await client.get(row["ask"])
                else:
                    answer = await client.post(row["post"], json=parameters(row))
                found[id(row)] = (answer, time.perf_counter() - start)
    return found


@pytest.fixture(scope="module")
def answers(mongodb: str) -> Iterator[Answers]:
    with database(mongodb, DATABASE):
        yield asyncio.run(ask_all(mongodb))


def refused(row: Json, answer: httpx.Response) -> bool:
    """Whether the row is about a refusal, which is then as it says."""
    status = row.get("status", 200)
    assert answer.status_code == status, answer.text
    if status == 200:
        return False
    issue = answer.json()["issue"][0]
    assert issue["code"] == row["issue"], issue
    assert row.get("says", "") in issue["diagnostics"]
    return True


def flat(contains: list[Json]) -> Iterator[Json]:
    for one in contains:
        yield one
        yield from flat(one.get("contains", []))


def tree(contains: list[Json]) -> Json:
    return {one["code"]: tree(one.get("contains", [])) for one in contains}


@pytest.mark.parametrize("row", EXPANSIONS, ids=lambda row: row["name"])
def test_expand(row: Json, answers: Answers):
    answer, seconds = answers[id(row)]
    assert seconds < SECONDS
    if refused(row, answer):
        return
    found = answer.json()
    expansion = found["expansion"]
    assert expansion["timestamp"].endswith("Z")
    assert expansion["identifier"].startswith("urn:uuid:")
    contains = expansion.get("contains", [])
    members = list(flat(contains))
    looks: dict[str, Any] = {
        "codes": sorted(one["code"] for one in members),
        "displays": [one.get("display") for one in members],
        "tree": tree(contains),
        "total": expansion.get("total"),
        "offset": expansion.get("offset"),
        "versions": [one.get("version") for one in members],
        "inactive": [one["code"] for one in members if one.get("inactive")],
        "abstract": [one["code"] for one in members if one.get("abstract")],
        "designations": [d["value"] for one in members for d in one.get("designation", ())],
        "unclosed": any(e["url"].endswith("unclosed") for e in expansion.get("extension", ())),
    }
    if "codes" in row and ("count" in row.get("ask", "") or "|1.0" in row.get("ask", "")):
        assert [one["code"] for one in members] == row["codes"]  # pages and lists have an order
    expected = {**row, "codes": sorted(row["codes"])} if "codes" in row else row
    for name, value in looks.items():
        if name in expected:
            assert value == expected[name], name
    told = {
        one["name"]: next(v for k, v in one.items() if k.startswith("value"))
        for one in expansion.get("parameter", ())
    }
    assert row.get("parameters", {}).items() <= told.items()
    assert set(row.get("has", ())) <= found.keys()
    assert not set(row.get("lacks", ())) & found.keys()


def value(one: Json) -> Any:
    return next((v for name, v in one.items() if name.startswith("value")), None)


def part(one: Json, name: str) -> Any:
    return next((value(each) for each in one.get("part", ()) if each["name"] == name), None)


@pytest.mark.parametrize("row", CODES, ids=lambda row: row["name"])
def test_codes(row: Json, answers: Answers):
    answer, seconds = answers[id(row)]
    assert seconds < SECONDS
    if refused(row, answer):
        return
    found = answer.json()
    if "closure" in row:
        assert found["version"] == row["number"]
        pairs = [
            f"{element['code']} {target['code']}"
            for group in found.get("group", ())
            for element in group["element"]
            for target in element["target"]
        ]
        assert sorted(pairs) == row["closure"]
        return
    out = found.get("parameter", [])
    plain = {one["name"]: value(one) for one in out}
    for name in ("result", "display"):
        if name in row:
            assert plain.get(name) == row[name], plain
    assert row.get("says", "") in plain.get("message", "")
    assert row.get("out", {}).items() <= plain.items()
    if "properties" in row:
        properties: dict[str, list[Any]] = {}
        for one in out:
            if one["name"] == "property":
                properties.setdefault(part(one, "code"), []).append(part(one, "value"))
        assert properties == row["properties"]
    if "designations" in row:
        said = [part(one, "value") for one in out if one["name"] == "designation"]
        assert said == row["designations"]
    matches = [one for one in out if one["name"] == "match"]
    if "matches" in row:
        assert [
            f"{part(one, 'equivalence')} {(part(one, 'concept') or {}).get('code', '')}".strip()
            for one in matches
        ] == row["matches"]
    if "product" in row:
        products = [p for one in matches for p in one["part"] if p["name"] == "product"]
        assert [part(one, "concept")["code"] for one in products] == [row["product"]]
    if "found" in row:
        assert sorted(part(one, "code")["code"] for one in matches) == sorted(row["found"])
        lacking = [
            part(one, "code")["code"]
            for one in matches
            if any(each["name"] == "unmatched" for each in one["part"])
        ]
        assert lacking == row.get("lacks_some", [])
