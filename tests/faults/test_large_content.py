"""A Binary of any size goes through a server of the size that it was before."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.faults.served import serve

MEBIBYTE = 1024 * 1024
SIZE = 90 * MEBIBYTE
ROOM = 30 * MEBIBYTE
PART = random.Random(7).randbytes(MEBIBYTE + 1)  # so that no part begins where a chunk does
CLEAR = 5  # resets the peak: proc(5)


def content(size: int) -> Iterator[bytes]:
    for _ in range(size // len(PART)):
        yield PART
    yield PART[: size % len(PART)]


def digest(parts: Iterator[bytes]) -> str:
    hashed = sha256()
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def memory(process: int, line: str) -> int:
    found = re.search(rf"{line}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def send(client: httpx.Client, size: int) -> str:
    headers = {"Content-Type": "application/dicom", "Prefer": "return=minimal"}
    made = client.post("Binary", content=content(size), headers=headers)
    assert made.status_code == 201, made.text[:500]
    return made.headers["location"].partition("/_history")[0]


def fetch(client: httpx.Client, url: str) -> str:
    plain = {"Accept": "application/dicom", "Accept-Encoding": "identity"}
    with client.stream("GET", url, headers=plain) as answer:
        assert answer.status_code == 200
        return digest(answer.iter_bytes())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_content(tmp_path: Path) -> None:
    with (
        serve(tmp_path, FHIR_BASE_DEFINITIONS="false") as served,
        httpx.Client(base_url=served.base + "/", timeout=60) as client,
    ):
        process = served.process.pid
        fetch(client, send(client, 12 * MEBIBYTE))  # what everything takes the first time
        before = memory(process, "VmRSS")
        Path(f"/proc/{process}/clear_refs").write_text(str(CLEAR))
        url = send(client, SIZE)
        after_upload = memory(process, "VmHWM")
        assert fetch(client, url) == digest(content(SIZE))
        after_read = memory(process, "VmHWM")
    assert after_upload - before < ROOM
    assert after_read - before < ROOM
