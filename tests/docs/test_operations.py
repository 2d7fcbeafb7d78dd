"""docs/operations.md has a heading for every operation, and for no other."""

from __future__ import annotations

import re
from pathlib import Path

from fhir_server.operations.table import OPERATIONS

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_operation_has_its_heading() -> None:
    headings = re.findall(r"^## \$([a-z-]+)$", PAGE.read_text(), re.MULTILINE)
    assert headings == list(dict.fromkeys(row.code for row in OPERATIONS))
