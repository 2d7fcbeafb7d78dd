"""The published FHIRPath Patch cases, run on the XML that they are written in."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from lxml import etree

from fhir_server.errors import Unprocessable
from fhir_server.fhir import xml
from fhir_server.fhir.patch.fhirpath_patch import fhirpath_patch
from tests.oracles import shared


class Case(NamedTuple):
    name: str
    input: dict[str, Any]
    patch: dict[str, Any]
    output: dict[str, Any] | None


def _resource(case: Any, part: str) -> dict[str, Any] | None:
    found = case.find(part)
    return None if found is None else xml.from_xml(etree.tostring(found[0]))


def _cases() -> list[Case]:
    tree = etree.parse(shared("oracles/fhirpath-patch/fhir-patch-tests.xml"))
    return [
        Case(
            case.get("name"),
            _resource(case, "input") or {},
            _resource(case, "diff") or {},
            _resource(case, "output"),
        )
        for case in tree.iter("case")
    ]


CASES = _cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_fhirpath_patch(case: Case) -> None:
    if case.output is None:
        with pytest.raises(Unprocessable, match="no content found"):
            fhirpath_patch(case.input, case.patch)
    else:
        assert fhirpath_patch(case.input, case.patch) == case.output


def test_every_published_case_is_run() -> None:
    assert len(CASES) == 33
