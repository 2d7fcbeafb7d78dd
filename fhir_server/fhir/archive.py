"""Many resources in one small file, read one at a time.

Layout: 8 bytes with the length of the index (big endian), the index (zstd of a JSON array of rows),
then frames of some hundred KiB, each the zstd of whole resources as JSON. Only the index is read at
first; a resource costs the decoding of its frame, of which a few are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import zstandard

FRAME = 128 * 1024
"""Bytes of JSON after which a frame ends."""

KEPT_FRAMES = 8


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where one resource lies, and by what it is asked for."""

    type: str
    id: str
    url: str
    version: str
    frame: int
    start: int
    length: int


class _Index(msgspec.Struct, array_like=True):
    frames: list[int]
    rows: list[Row]


class Archive:
    """The resources of one file; `rows` are in the order of type and id."""

    def __init__(self, path: Path) -> None:
        packed = path.read_bytes()
        length = int.from_bytes(packed[:8], "big")
        index = msgspec.json.decode(zstandard.decompress(packed[8 : 8 + length]), type=_Index)
        self.rows: list[Row] = index.rows
        self._packed = packed
        self._starts = [8 + length]
        for size in index.frames:
            self._starts.append(self._starts[-1] + size)
        self._frames: OrderedDict[int, bytes] = OrderedDict()

    def raw(self, row: Row) -> bytes:
        """The resource's JSON."""
        frame = self._frames.get(row.frame)
        if frame is None:
            start, end = self._starts[row.frame : row.frame + 2]
            frame = self._frames[row.frame] = zstandard.decompress(self._packed[start:end])
            if len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
        else:
            self._frames.move_to_end(row.frame)
        return frame[row.start : row.start + row.length]


def pack(resources: Iterable[dict[str, Any]]) -> bytes:
    """The bytes of an archive; the same resources in any order give the same bytes."""
    ordered = sorted(resources, key=lambda one: (one["resourceType"], one["id"]))
    frames: list[bytes] = []
    rows: list[Row] = []
    frame = bytearray()
    for resource in ordered:
        raw = msgspec.json.encode(resource)
        rows.append(
            Row(
                resource["resourceType"],
                resource["id"],
                resource.get("url", ""),
                resource.get("version", ""),
                len(frames),
                len(frame),
                len(raw),
            )
        )
        frame += raw
        if len(frame) >= FRAME:
            frames.append(_compressed(bytes(frame)))
            frame.clear()
    if frame:
        frames.append(_compressed(bytes(frame)))
    index = _compressed(msgspec.json.encode(_Index([len(one) for one in frames], rows)))
    return b"".join([len(index).to_bytes(8, "big"), index, *frames])


def _compressed(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=22, write_checksum=False).compress(plain)
