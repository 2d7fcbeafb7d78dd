"""One assertion for each shape of answer."""

from __future__ import annotations

from typing import Any

import httpx

FHIR = {"Content-Type": "application/fhir+json"}

Json = dict[str, Any]


def assert_outcome(
    response: httpx.Response, status: int, code: str, expression: str | None = None
) -> list[Json]:
    """The issues of a refusal; the first one has this code and, where given, this place."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/fhir+json")
    outcome: Json = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    issues: list[Json] = outcome["issue"]
    assert issues[0]["severity"] in ("error", "fatal")
    assert issues[0]["code"] == code, issues
    assert issues[0]["diagnostics"]
    if expression is not None:
        assert issues[0].get("expression") == [expression], issues
    return issues


def assert_written(response: httpx.Response, status: int, version: int) -> str:
    """The reference `Type/id` of a write that was answered with all the headers it must have."""
    assert response.status_code == status, response.text
    assert response.headers["etag"] == f'W/"{version}"'
    assert response.headers["last-modified"].endswith(" GMT")
    location = response.headers["location"]
    base, _, rest = location.partition("/fhir/")
    assert base == "http://127.0.0.1:8080"
    type_, id_, history, number = rest.split("/")
    assert (history, number) == ("_history", str(version))
    return f"{type_}/{id_}"


def assert_response_bundle(response: httpx.Response, kind: str, statuses: list[str]) -> list[Json]:
    """The entries of a batch-response or transaction-response, in the sender's order."""
    assert response.status_code == 200, response.text
    bundle: Json = response.json()
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", kind)
    entries: list[Json] = bundle.get("entry", [])
    assert [entry["response"]["status"][:3] for entry in entries] == statuses, entries
    return entries


def patient(**more: Any) -> Json:
    """A patient with whatever else is said."""
    return {"resourceType": "Patient", **more}


def identified(value: str, **more: Any) -> Json:
    """A patient with an identifier in the system of these tests."""
    return patient(identifier=[{"system": "urn:example:mrn", "value": value}], **more)
