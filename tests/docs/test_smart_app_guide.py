"""docs/smart-app-guide.md against the app that the demo serves and the browser tests launch."""

from __future__ import annotations

import re
from pathlib import Path

from fhir_server.demo.sample import WRITTEN_FOR, source

PAGE = (Path(__file__).parents[2] / "docs" / "smart-app-guide.md").read_text()


def test_the_app_of_the_page_is_the_app_that_runs():
    (shown,) = re.findall(r"```html\n(.*?)```", PAGE, re.DOTALL)
    assert shown == source()


def test_it_is_as_short_as_the_page_promises():
    assert len(source().splitlines()) <= 70
    assert source().count(WRITTEN_FOR) == 1
