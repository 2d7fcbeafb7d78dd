"""NDJSON spread over a crew: progress, faults told in the order of the lines, lots held."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from fhir_server.loading.files import File
from fhir_server.loading.lots import LOT, Lot
from fhir_server.loading.report import Failure, Report
from fhir_server.loading.spread import load
from fhir_server.loading.watch import PATIENCE, Watch

LINE = b'{"resourceType":"Basic","id":"b%d"}\n'


class Hands:
    """A crew that stores nothing: it counts the lines, and refuses those of the ids given."""

    size = 2
    longest = 1000

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.lines = 0
        self.largest = 0

    async def do(self, item: File | Lot) -> Report:
        assert isinstance(item, Lot)
        await asyncio.sleep(0.001 * (self.lines == 0))  # the first is done last
        self.lines += len(item.items)
        self.largest = max(self.largest, len(item.items))
        failed = [x for x in item.items if x.path in self._refused]
        told = [Failure(item.file, x.place, 422, ("no",)) for x in failed]
        return Report(0, entries=len(item.items) - len(told), failures=told)


def watched() -> Watch:
    """The watch over a database that is always there."""

    async def ping() -> bool:
        return True

    return Watch(ping, PATIENCE)


def written(folder: Path, name: str, body: bytes) -> File:
    path = folder / name
    path.write_bytes(body)
    return File(name, ".ndjson", path)


def numbered(count: int) -> bytes:
    return b"".join(LINE % number for number in range(count))


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.zst"])
async def test_progress_goes_with_the_file_and_comes_to_its_size(name, tmp_path):
    body = numbered(LOT * 40)
    pack = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor().compress}.get(name[9:], bytes)
    file = written(tmp_path, name, pack(body))
    steps: list[tuple[int, int]] = []
    hands = Hands()
    report = await load([file], hands, watched(), lambda *step: steps.append(step))
    assert report.failures == []
    assert report.entries == hands.lines == LOT * 40
    assert hands.largest == LOT
    assert sum(size for size, _ in steps) == file.size
    assert len([size for size, _ in steps if size > 0]) > 2
    assert min(size for size, _ in steps) >= 0


async def test_a_cut_off_file_is_loaded_up_to_there_and_the_next_one_too(tmp_path):
    packed = gzip.compress(numbered(LOT * 40))
    cut = written(tmp_path, "a.ndjson.gz", packed[: len(packed) // 2])
    whole = written(tmp_path, "b.ndjson", b"{\n" + LINE % 1)
    hands = Hands("Basic/b3")
    sizes: list[int] = []
    report = await load([cut, whole], hands, watched(), lambda size, _: sizes.append(size))
    first, second_last, last = report.failures
    assert (first.file, first.place) == ("a.ndjson.gz", "line 4")
    assert second_last.file == "a.ndjson.gz"
    assert second_last.place == f"after line {report.entries}"  # one refused, one of the next file
    assert "cannot be unpacked" in second_last.reasons[0]
    assert (last.file, last.place) == ("b.ndjson", "line 1")
    assert report.entries > LOT
    assert sum(sizes) == cut.size + whole.size


async def test_a_file_that_was_never_packed_is_one_failure(tmp_path):
    file = written(tmp_path, "a.ndjson.gz", b"this is not packed at all" * 10_000)
    sizes: list[int] = []
    (failure,) = (
        await load([file], Hands(), watched(), lambda size, _: sizes.append(size))
    ).failures
    assert (failure.place, failure.status) == ("", 0)
    assert sum(sizes) == file.size


async def test_a_refused_line_comes_before_the_fault_after_it(tmp_path):
    file = written(tmp_path, "a.ndjson.gz", gzip.compress(LINE % 0)[:-4])
    (refused, fault) = (await load([file], Hands("Basic/b0"), watched(), lambda *_: None)).failures
    assert (refused.place, fault.place) == ("line 1", "after line 1")


async def test_lines_are_no_longer_than_the_crew_takes(tmp_path):
    file = written(tmp_path, "a.ndjson", LINE % 0 + b" " * 2000 + LINE % 1)
    report = await load([file], Hands(), watched(), lambda *_: None)
    (failure,) = report.failures
    assert (report.entries, failure.place) == (1, "line 2")


async def test_the_file_waits_while_nobody_is_free(tmp_path):
    line = b'{"resourceType":"Basic","text":"%s"}\n' % (b"x" * 900)
    file = written(tmp_path, "a.ndjson", line * LOT * 80)
    given = 0
    free = asyncio.Event()

    class Busy(Hands):
        async def do(self, item: File | Lot) -> Report:
            nonlocal given
            given += 1
            await free.wait()
            return await super().do(item)

    tracemalloc.start()
    try:
        loading = asyncio.create_task(load([file], Busy(), watched(), lambda *_: None))
        await asyncio.sleep(0.1)
        assert given == Busy.size
        free.set()
        assert (await loading).entries == LOT * 80
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.size > 16 * 1024 * 1024
    assert peak < 4 * 1024 * 1024
