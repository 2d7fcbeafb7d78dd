"""NDJSON in lots, and files in turns."""

from __future__ import annotations

import io
from pathlib import Path

from fhir_server.loading.files import File
from fhir_server.loading.lots import lots
from fhir_server.loading.processes import MOST, WORTHWHILE, fitting
from fhir_server.loading.spread import DATA_SET, turns
from fhir_server.loading.submissions import submissions


def lines(*ids: str) -> bytes:
    return b"\n".join(b'{"resourceType":"Basic","id":"%s"}' % id_.encode() for id_ in ids)


def made(body: bytes, **limits: int) -> list[tuple[bool, list[str]]]:
    return [
        (lot.waits, [item.path.removeprefix("Basic/") for item in lot.items])
        for lot in lots("f", submissions(".ndjson", io.BytesIO(body)), **limits)
    ]


def test_lots_are_full_and_in_order():
    assert made(lines("a", "b", "c", "d", "e"), size=2) == [
        (False, ["a", "b"]),
        (False, ["c", "d"]),
        (False, ["e"]),
    ]


def test_a_lot_of_large_lines_has_fewer_of_them():
    assert made(lines("a", "b", "c"), most_bytes=40) == [(False, ["a", "b"]), (False, ["c"])]


def test_a_resource_that_comes_again_waits_for_what_was_before():
    assert made(lines("a", "b", "c", "a", "a", "b"), size=2) == [
        (False, ["a", "b"]),
        (False, ["c"]),
        (True, ["a"]),
        (True, ["a", "b"]),
    ]


def test_what_is_remembered_is_bounded():
    assert made(lines("a", "b", "c"), known=2) == [(False, ["a", "b"]), (True, ["c"])]


def test_lines_without_an_id_never_wait():
    body = b'{"resourceType":"Basic"}\n' * 3
    assert made(body, size=2) == [(False, ["Basic", "Basic"]), (False, ["Basic"])]


def test_lines_that_are_no_resources_are_told_with_their_place():
    body = lines("a") + b"\n{\n" + lines("b")
    (lot,) = lots("f", submissions(".ndjson", io.BytesIO(body)))
    assert [fault.place for fault in lot.unloadable] == ["line 2"]
    assert list(lots("f", submissions(".ndjson", io.BytesIO()))) == []


def test_lines_that_are_no_resources_fill_a_lot_too():
    found = lots("f", submissions(".ndjson", io.BytesIO(b"{\n" * 5)), size=2)
    assert [len(lot.unloadable) for lot in found] == [2, 2, 1]


def named(*paths: str) -> list[File]:
    return [File(path, ".json", Path(path)) for path in paths]


def test_large_folders_are_done_one_after_another_small_ones_together():
    first = named(*(f"a/{n}.json" for n in range(DATA_SET)))
    small = named("b/1.json", "c/1.json")
    last = named(*(f"d/{n}.json" for n in range(DATA_SET)))
    hospital = named("d/hospital.json")
    assert list(turns([*hospital, *first, *small, *last])) == [hospital, first, small, last]


def test_little_work_is_left_to_one_process(tmp_path):
    one = tmp_path / "a.json"
    one.write_bytes(b"{}")
    assert fitting([File("a", ".json", one)]) == 1
    one.write_bytes(b" " * WORTHWHILE * 8)
    assert fitting([File("a", ".json", one)]) == 1  # a Bundle is not divided
    assert 1 <= fitting([File("a", ".ndjson", one)]) <= MOST
