"""Versions of canonical URLs: which one is meant, and which one is the newest."""

from __future__ import annotations

import pytest

from fhir_server.terminology.base import Entry
from fhir_server.terminology.library import canonical, choose, is_version, newest

SCT = "http://snomed.info/sct"


def entries(*versions: str) -> list[Entry]:
    return [Entry("CodeSystem", v, "http://x", v, ("CodeSystem", v)) for v in versions]


@pytest.mark.parametrize(
    ("known", "wanted", "chosen"),
    [
        (["4.0.1"], "", "4.0.1"),
        (["1.9", "1.10"], "", "1.10"),
        (["1.10", "1.9"], "", "1.10"),
        (["20200101", "20190101"], "", "20200101"),
        (["1.10", "1.9"], "1.9", "1.9"),
        (["1.10", "1.9"], "1", None),
        ([], "", None),
        (["", "1"], "", "1"),
    ],
)
def test_the_newest_is_taken_where_none_is_named(known, wanted, chosen):
    found = choose(entries(*known), wanted)
    assert (found.version if found else None) == chosen
    if not wanted and known:
        assert newest(known) == chosen


@pytest.mark.parametrize(
    ("known", "wanted", "answer"),
    [
        (f"{SCT}/9/version/20260101", f"{SCT}/9", True),
        (f"{SCT}/9/version/20260101", f"{SCT}/9/version/20260101", True),
        (f"{SCT}/9/version/20260101", f"{SCT}/8", False),
        (f"{SCT}/99/version/20260101", f"{SCT}/9", False),
        ("1.0", "1", False),
    ],
)
def test_an_edition_of_snomed_ct_is_any_version_of_it(known, wanted, answer):
    assert is_version(known, wanted) is answer


def test_a_canonical_is_taken_apart():
    assert canonical("http://x|1#y") == ("http://x", "1")
    assert canonical("http://x") == ("http://x", "")
