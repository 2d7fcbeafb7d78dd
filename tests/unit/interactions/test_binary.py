"""Byte ranges of a Binary (RFC 9110, 14.1.2)."""

from __future__ import annotations

import pytest

from fhir_server.errors import RangeNotSatisfiable
from fhir_server.interactions.binary import byte_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-3", (0, 3)),
        ("bytes=2-", (2, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        ("bytes=5-99", (5, 9)),
        ("bytes=9-9", (9, 9)),
        ("", None),
        ("items=0-3", None),
        ("bytes=0-1,4-5", None),
        ("bytes=5-2", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
    ],
)
def test_r_44_one_range_of_ten_bytes(header: str, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_r_44_a_range_beyond_the_end_cannot_be_met(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        byte_range(header, 10)
