"""The files of the operator: clients and brands. Part A and S-65 of the checklist."""

from __future__ import annotations

import copy
import json

import pytest

from fhir_server.errors import MalformedContent
from fhir_server.smart.brands import read_brands
from fhir_server.smart.clients_file import read_clients
from tests.api.smart import CLIENTS, SECRET


def write(folder, content):
    path = folder / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_part_a_every_kind_of_client_comes_from_the_file(tmp_path):
    found = read_clients(write(tmp_path, CLIENTS))
    assert list(found) == [entry["client_id"] for entry in CLIENTS]
    assert found["introspector"]["introspection"] is True
    assert found["symmetric"]["secret"] == SECRET
    assert found["public"]["secret"] is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("no json", "malformed"),
        ({}, "type"),
        ([{}], "required"),
        ([{"client_id": "a b"}], "pattern"),
        ([CLIENTS[0], CLIENTS[0]], "comes twice"),
        ([{**CLIENTS[0], "client_secret": SECRET}], "client_secret"),
        ([{**CLIENTS[3], "client_secret": "short"}], "minLength"),
        ([{k: v for k, v in CLIENTS[3].items() if k != "client_secret"}], "client_secret"),
        ([{**CLIENTS[0], "redirect_uris": []}], "redirect_uris"),
        ([{**CLIENTS[5], "jwks": {"keys": []}}], "jwks"),
    ],
)
def test_a_clients_file_that_is_not_in_order_names_the_place_and_no_secret(tmp_path, content, text):
    with pytest.raises(MalformedContent, match=text) as caught:
        read_clients(write(tmp_path, content))
    assert SECRET not in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    for read in (read_clients, read_brands):
        with pytest.raises(MalformedContent, match="No such file"):
            read(tmp_path / "nowhere.json")


BRANDS = {
    "resourceType": "Bundle",
    "type": "collection",
    "timestamp": "2026-11-21T20:00:00Z",
    "entry": [
        {
            "resource": {
                "resourceType": "Organization",
                "id": "1",
                "identifier": [{"system": "urn:ietf:rfc:3986", "value": "https://example.org"}],
                "endpoint": [{"reference": "Endpoint/1"}, {"reference": "Endpoint/2"}],
            }
        },
        {"resource": {"resourceType": "Endpoint", "id": "1"}},
        {"resource": {"resourceType": "Endpoint", "id": "2"}},
    ],
}


def brands(**changes):
    bundle = copy.deepcopy(BRANDS)
    for path, value in changes.items():
        place = bundle
        *parents, last = path.split("__")
        for part in parents:
            place = place[int(part) if part.isdigit() else part]
        place[int(last) if last.isdigit() else last] = value
    return bundle


def test_s65_the_primary_brand_refers_to_every_endpoint(tmp_path):
    read = read_brands(write(tmp_path, BRANDS))
    assert read.identifier == {"system": "urn:ietf:rfc:3986", "value": "https://example.org"}
    assert read.etag.startswith('W/"')


@pytest.mark.parametrize(
    ("bundle", "text"),
    [
        (brands(type="searchset"), "collection"),
        (brands(timestamp=""), "timestamp"),
        (brands(entry__1__resource__resourceType="Patient"), "only Organization"),
        (brands(entry__0__resource__endpoint=[]), "primary brand"),
        (brands(entry__0__resource__identifier=[{"system": "x"}]), "primary brand"),
        (brands(entry__1=BRANDS["entry"][0]), "twice"),
        (
            brands(
                entry__1__resource__extension=[
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                        "valueCode": "unknown",
                    }
                ]
            ),
            "asked-declined",
        ),
    ],
)
def test_s65_a_bundle_that_breaks_a_rule_is_refused(tmp_path, bundle, text):
    with pytest.raises(MalformedContent, match=text):
        read_brands(write(tmp_path, bundle))
