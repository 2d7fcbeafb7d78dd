"""Finding the files to load: kinds, packing, archives, order."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from fhir_server.loading.content import Unreadable
from fhir_server.loading.files import UnknownFile, find

BODY = b'{"resourceType":"Patient"}'


def tarred(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        member = tarfile.TarInfo("inner/b.json.gz")
        packed = gzip.compress(BODY)
        member.size = len(packed)
        tar.addfile(member, io.BytesIO(packed))
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("b.json", BODY)
        archive.writestr("README.txt", "not this")
    return buffer.getvalue()


PACKED: dict[str, Callable[[], bytes]] = {
    "a.json": lambda: BODY,
    "a.JSON": lambda: BODY,
    "a.ndjson": lambda: BODY,
    "a.xml": lambda: BODY,
    "a.json.gz": lambda: gzip.compress(BODY),
    "a.ndjson.bz2": lambda: bz2.compress(BODY),
    "a.json.zst": lambda: zstandard.ZstdCompressor().compress(BODY),
    "a.zip": zipped,
    "a.tar": lambda: tarred("w:"),
    "a.tgz": lambda: tarred("w:gz"),
    "a.tar.gz": lambda: tarred("w:gz"),
    "a.tar.bz2": lambda: tarred("w:bz2"),
    "a.tar.zst": lambda: zstandard.ZstdCompressor().compress(tarred("w:")),
}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", PACKED)
def test_a_file_is_read_unpacked(name, tmp_path, scratch):
    path = tmp_path / name
    path.write_bytes(PACKED[name]())
    (file,) = find([path], scratch)
    with file.open() as content:
        assert content.read() == BODY
    assert file.kind == (".ndjson" if "ndjson" in name else ".xml" if "xml" in name else ".json")


def test_hospitals_and_practitioners_come_before_the_records(tmp_path, scratch):
    names = ["abc.json", "0-practitionerInformation.json.gz", "Patient.ndjson", "hospital1.json"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    order = [file.path.name for file in find([tmp_path], scratch)]
    assert order == [
        "hospital1.json", "0-practitionerInformation.json.gz", "Patient.ndjson", "abc.json",
    ]  # fmt: skip


def test_a_folder_is_searched_below_and_other_files_are_passed_over(tmp_path, scratch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_bytes(BODY)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "b.json").write_bytes(BODY)
    (tmp_path / "README.md").write_text("no")
    assert [file.path.name for file in find([tmp_path], scratch)] == ["a.json"]


def test_a_named_file_of_another_kind_is_refused(tmp_path, scratch):
    path = tmp_path / "notes.txt"
    path.write_text("no")
    with pytest.raises(UnknownFile, match=r"notes\.txt is of no kind"):
        find([path], scratch)


def test_a_path_that_is_not_there_is_refused(tmp_path, scratch):
    with pytest.raises(UnknownFile, match="is not there"):
        find([tmp_path / "gone.json"], scratch)


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.zst"])
def test_a_broken_archive_is_refused(name, tmp_path, scratch):
    path = tmp_path / name
    path.write_bytes(b"this is no archive")
    with pytest.raises(UnknownFile, match="cannot be unpacked"):
        find([path], scratch)


def test_an_archive_of_several_frames_is_unpacked_whole_or_not_at_all(tmp_path, scratch):
    path = tmp_path / "a.tar.zst"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.json")
            member.size = len(BODY)
            tar.addfile(member, io.BytesIO(BODY))
    whole = buffer.getvalue()
    compress = zstandard.ZstdCompressor().compress
    packed = compress(whole[:1024]) + compress(whole[1024:])  # a header and a body come to 1024
    path.write_bytes(packed)
    assert len(find([path], scratch)) == 3
    path.write_bytes(packed[:-5])
    with pytest.raises(UnknownFile, match="cannot be unpacked"):
        find([path], scratch)


def test_a_damaged_archive_is_refused(tmp_path, scratch):
    path = tmp_path / "a.tar.gz"
    packed = bytearray(tarred("w:gz"))
    packed[20:40] = b"\xff" * 20
    path.write_bytes(packed)
    with pytest.raises(UnknownFile, match="cannot be unpacked"):
        find([path], scratch)


@pytest.mark.parametrize("name", ["a.json.gz", "a.json.bz2", "a.json.zst"])
def test_a_broken_file_raises_when_it_is_read(name, tmp_path, scratch):
    path = tmp_path / name
    path.write_bytes(b"this is not packed at all")
    (file,) = find([path], scratch)
    with file.open() as content, pytest.raises(Unreadable, match="cannot be unpacked"):
        content.read()


def test_an_archive_cannot_write_outside_of_its_folder(tmp_path, scratch):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("../../escaped.json")
        member.size = len(BODY)
        tar.addfile(member, io.BytesIO(BODY))
    with pytest.raises(UnknownFile):
        find([path], scratch)
    assert not list(tmp_path.rglob("escaped.json"))
