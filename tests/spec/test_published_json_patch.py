"""The published JSON Patch cases (RFC 6902, appendix A)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.errors import Unprocessable
from fhir_server.fhir.patch.json_patch import json_patch
from tests.oracles import shared

CASES = json.loads(shared("oracles/fhirpath-patch/json-patch-tests.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["comment"] for case in CASES])
def test_json_patch(case: dict[str, Any]) -> None:
    body = json.dumps(case["patch"]).encode()
    if "error" in case:
        with pytest.raises(Unprocessable):
            json_patch(case["doc"], body)
    else:
        assert json_patch(case["doc"], body) == case["expected"]
