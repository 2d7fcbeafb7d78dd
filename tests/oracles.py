"""Where the published data lies that tests read but the repository does not contain."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared"


def shared(path: str) -> Path:
    """The file or folder `../shared/{path}`; the test skips where it is absent.

    With FHIR_REQUIRE_ORACLES=1 it fails instead, so that a build cannot pass by missing its data.
    """
    found = FOLDER / path
    if found.exists():
        return found
    message = f"{found} is absent: put the published test data beside the repository"
    if os.environ.get("FHIR_REQUIRE_ORACLES") == "1":
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)
