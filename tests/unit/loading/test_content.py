"""What a file holds, read while it is unpacked: all of it, or up to the place where it breaks."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from fhir_server.loading.content import Content, Unreadable
from fhir_server.loading.files import File
from fhir_server.loading.lots import lots
from fhir_server.loading.submissions import Submission, Unloadable, submissions

MEBIBYTE = 1024 * 1024


def streamed(plain: bytes) -> bytes:
    """As programs write it that do not know how long it will be: no size in the frame."""
    buffer = io.BytesIO()
    with zstandard.ZstdCompressor(write_checksum=True).stream_writer(buffer, closefd=False) as out:
        out.write(plain)
    return buffer.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".ndjson": bytes,
    ".ndjson.gz": gzip.compress,
    ".ndjson.bz2": bz2.compress,
    ".ndjson.zst": streamed,
}
packings = pytest.mark.parametrize("name", PACKED)
broken = pytest.mark.parametrize("name", list(PACKED)[1:])


def lines(count: int) -> bytes:
    """Lines that do not pack well, so that a packed file has many pieces."""
    made = random.Random(7)
    return b"".join(
        b'{"resourceType":"Basic","id":"b%d","code":{"text":"%s"}}\n'
        % (number, made.randbytes(100).hex().encode())
        for number in range(count)
    )


def written(folder: Path, name: str, body: bytes) -> File:
    path = folder / f"a{name}"
    path.write_bytes(body)
    return File("a", ".ndjson", path)


@packings
def test_lines_come_one_by_one_and_the_position_reaches_the_end(name, tmp_path):
    plain = lines(10_000)
    file = written(tmp_path, name, PACKED[name](plain))
    positions = [0]
    found = []
    with file.open() as content:
        assert content.position == 0
        while line := content.readline():
            found.append(line)
            positions.append(content.position)
        assert content.position == file.size
    assert b"".join(found) == plain
    assert found == plain.splitlines(keepends=True)
    assert positions == sorted(positions)
    assert 0 < positions[len(positions) // 2] < file.size


@broken
def test_files_put_together_are_read_to_the_last(name, tmp_path):
    pieces = [b"one\n", b"", b"two, and ", b"three\n" * 100_000]
    packed = b"".join(PACKED[name](piece) for piece in pieces)
    with written(tmp_path, name, packed).open() as content:
        assert content.read() == b"".join(pieces)


def test_a_zstd_frame_that_holds_nothing_for_us_is_passed_over(tmp_path):
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    packed = skippable + streamed(b"one\n") + skippable + streamed(b"two\n")
    with written(tmp_path, ".ndjson.zst", packed).open() as content:
        assert content.read() == b"one\ntwo\n"


@packings
def test_an_empty_file_has_no_lines(name, tmp_path):
    with written(tmp_path, name, PACKED[name](b"")).open() as content:
        assert content.readline() == b""


@broken
def test_what_comes_before_a_cut_is_given_and_the_cut_is_told(name, tmp_path):
    packed = PACKED[name](lines(10_000))
    file = written(tmp_path, name, packed[: len(packed) // 2])
    with file.open() as content:
        *found, fault = submissions(".ndjson", content)
    assert 1_000 < len(found) < 6_000
    for number, item in enumerate(found):
        assert isinstance(item, Submission)
        assert item.path == f"Basic/b{number}"
    assert isinstance(fault, Unloadable)
    assert fault.place == f"after line {len(found)}"
    assert str(fault).startswith("The file cannot be unpacked: ")


@broken
def test_a_damaged_byte_is_told(name, tmp_path):
    packed = bytearray(PACKED[name](lines(10_000)))
    packed[len(packed) // 2] ^= 0xFF
    with written(tmp_path, name, bytes(packed)).open() as content:
        *_, fault = submissions(".ndjson", content)
    assert isinstance(fault, Unloadable)


def test_a_block_that_gzip_does_not_know_is_told(tmp_path):
    header = gzip.compress(b"")[:10]
    with written(tmp_path, ".ndjson.gz", header + b"\xff" * 100).open() as content:
        (fault,) = submissions(".ndjson", content)
    assert "invalid block type" in str(fault)


@broken
def test_what_was_never_packed_is_told_of_the_whole_file(name, tmp_path):
    with written(tmp_path, name, b"this is not packed at all").open() as content:
        (fault,) = submissions(".ndjson", content)
    assert isinstance(fault, Unloadable)
    assert fault.place == ""


def test_a_file_that_went_away_is_told(tmp_path):
    with Content(tmp_path / "gone.json") as content, pytest.raises(Unreadable, match="No such"):
        content.read()


def test_a_file_is_closed_where_reading_ends_early(tmp_path):
    file = written(tmp_path, ".ndjson.gz", gzip.compress(lines(100)))
    with file.open() as content:
        content.readline()
        assert held(file.path) == 1
    assert held(file.path) == 0


def held(path: Path) -> int:
    """How often this process has the file open."""
    listed = Path("/proc/self/fd")
    if not listed.exists():
        pytest.skip("there is no /proc here")
    targets = []
    for descriptor in listed.iterdir():
        try:
            targets.append(descriptor.readlink())
        except FileNotFoundError:  # the one that lists them
            continue
    return targets.count(path)


@packings
def test_memory_does_not_grow_with_the_file(name, tmp_path):
    plain = lines(10_000)
    file = written(tmp_path, name, PACKED[name](plain) * 8)
    assert len(plain) * 8 > 16 * MEBIBYTE
    tracemalloc.start()
    try:
        with file.open() as content:
            count = sum(len(lot.items) for lot in lots("a", submissions(".ndjson", content)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 80_000
    assert peak < 4 * MEBIBYTE
