"""The example of docs/fhirpath.md runs, and every function that the page names exists."""

from __future__ import annotations

import re
from pathlib import Path

from fhir_server.fhir.fhirpath.functions import FUNCTIONS
from fhir_server.fhir.fhirpath.lambdas import LAMBDAS

PAGE = (Path(__file__).parents[3] / "docs" / "fhirpath.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {})


def test_named_functions_exist() -> None:
    supported = PAGE[PAGE.index("## What is supported") : PAGE.index("## What is not")]
    names = set(re.findall(r"`([a-z][A-Za-z]+)`", supported))
    assert len(names) > 25
    assert names <= {*FUNCTIONS, *LAMBDAS}
