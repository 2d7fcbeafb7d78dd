"""Bundles spliced from bytes are the Bundles that they should be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from fhir_server.errors import Issue
from fhir_server.fhir import bundle, outcome

RAW = b'{"resourceType":"Patient","id":"1"}'


def test_searchset_has_total_links_and_entries() -> None:
    link = bundle.Link("self", 'http://x/Patient?name="a"&b=\\')
    made = bundle.searchset([bundle.match_entry("http://x/Patient/1", RAW)], [link], 1)
    assert json.loads(made) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": 'http://x/Patient?name="a"&b=\\'}],
        "entry": [
            {
                "fullUrl": "http://x/Patient/1",
                "resource": {"resourceType": "Patient", "id": "1"},
                "search": {"mode": "match"},
            }
        ],
    }


def test_an_empty_searchset_has_no_entry() -> None:
    assert json.loads(bundle.searchset([], (), 0, id_="b", updated=0)) == {
        "resourceType": "Bundle",
        "id": "b",
        "meta": {"lastUpdated": "1970-01-01T00:00:00.000Z"},
        "type": "searchset",
        "total": 0,
    }


def test_an_outcome_entry_has_no_full_url() -> None:
    raw = outcome.outcome_bytes([Issue("warning", "not-supported", "x ignored", ("x",))])
    assert json.loads(bundle.match_entry("", raw, "outcome")) == {
        "resource": {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": "warning",
                    "code": "not-supported",
                    "diagnostics": "x ignored",
                    "expression": ["x"],
                }
            ],
        },
        "search": {"mode": "outcome"},
    }


def test_a_deletion_in_a_history_has_no_resource() -> None:
    made = bundle.history_entry(
        "http://x/Patient/1",
        None,
        method="DELETE",
        url="Patient/1",
        status="204",
        version=2,
        updated=0,
    )
    assert json.loads(made) == {
        "fullUrl": "http://x/Patient/1",
        "request": {"method": "DELETE", "url": "Patient/1"},
        "response": {
            "status": "204",
            "etag": 'W/"2"',
            "lastModified": "1970-01-01T00:00:00.000Z",
        },
    }


def test_a_response_entry_has_what_it_was_given() -> None:
    entry = bundle.response_entry(
        "201 Created",
        full_url="http://x/Patient/1",
        resource=RAW,
        location="Patient/1/_history/1",
        etag='W/"1"',
        last_modified="1970-01-01T00:00:00.000Z",
        outcome=b'{"resourceType":"OperationOutcome"}',
    )
    made = json.loads(bundle.response("transaction-response", [entry, b"{}"]))
    assert made["type"] == "transaction-response"
    assert made["entry"][0] == {
        "fullUrl": "http://x/Patient/1",
        "resource": {"resourceType": "Patient", "id": "1"},
        "response": {
            "status": "201 Created",
            "location": "Patient/1/_history/1",
            "etag": 'W/"1"',
            "lastModified": "1970-01-01T00:00:00.000Z",
            "outcome": {"resourceType": "OperationOutcome"},
        },
    }


@pytest.mark.parametrize("count", [0, 1, 5_000])
async def test_a_stream_is_the_same_bundle_in_parts(count: int) -> None:
    entries = [bundle.match_entry(f"http://x/Patient/{i}", RAW) for i in range(count)]

    async def coming() -> AsyncIterator[bytes]:
        for entry in entries:
            yield entry

    parts = [part async for part in bundle.stream("searchset", coming(), total=count)]
    assert b"".join(parts) == bundle.searchset(entries, (), count)
    assert len(parts) > 1 if count > 1000 else len(parts) == 1


def test_an_outcome_of_no_issues_says_that_all_is_well() -> None:
    assert outcome.outcome([])["issue"] == [
        {"severity": "information", "code": "informational", "diagnostics": "All OK"}
    ]


def test_entries_below_one_base_are_the_same_as_single_ones() -> None:
    base, raw = 'http://x/"é', b'{"resourceType":"Patient"}'
    rows = [("Patient", "a"), ("Patient", "b-1"), ("Group", "a")]
    together = bundle.match_entries(base, [_Stored(*row, raw) for row in rows], "include")
    assert together == [
        bundle.match_entry(f"{base}/{type_}/{id_}", raw, "include") for type_, id_ in rows
    ]


class _Stored(NamedTuple):
    type: str
    id: str
    raw: bytes
