"""What a file holds, unpacked while it is read, so that its size does not matter."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar, cast

import zstandard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Item = TypeVar("Item")

FAULTS = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading and unpacking raise, of a file that is broken or cut off."""

_PIECE = 512
"""Packed bytes of zstd that are unpacked at once; the densest that there are come to 16 MiB."""

_BUFFER = 128 * 1024
"""Plain bytes that are read at once."""


class Unreadable(ValueError):
    """A file that cannot be read, or not any further."""


class Content:
    """The unpacked bytes of a file, opened when they are first asked for, closed by `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def position(self) -> int:
        """Bytes of the file, packed where it is packed, that have been read by now."""
        return self._raw.tell() if "_raw" in self.__dict__ else 0

    def measured(self, items: Iterable[Item]) -> Iterator[tuple[Item, int]]:
        """Each of the items that are read from here, and how many bytes were read for it."""
        before = 0
        for item in items:
            position = self.position
            yield item, position - before
            before = position

    def read(self) -> bytes:
        """All bytes that are left. Raises Unreadable."""
        try:
            return self._plain.read()
        except FAULTS as fault:
            raise _unreadable(fault) from None

    def readline(self, size: int = -1) -> bytes:
        """The bytes to the end of a line, `size` at most; none at the end of the file.

        Raises Unreadable where the line is broken off by a fault; those before have been given.
        """
        try:
            return self._plain.readline(size)
        except FAULTS as fault:
            raise _unreadable(fault) from None

    @cached_property
    def _raw(self) -> io.FileIO:
        return self._opened.enter_context(self._path.open("rb", buffering=0))

    @cached_property
    def _plain(self) -> BinaryIO:
        return self._opened.enter_context(_unpacked(self._path.name.lower(), self._raw))


def frames(packed: io.RawIOBase) -> BinaryIO:
    """The unpacked bytes of all frames of a zstd file."""
    return io.BufferedReader(_Frames(packed), _BUFFER)


def _unpacked(name: str, raw: io.RawIOBase) -> BinaryIO:
    if name.endswith(".gz"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if name.endswith(".bz2"):
        return cast(BinaryIO, bz2.BZ2File(raw))
    if name.endswith(".zst"):
        return frames(raw)
    return io.BufferedReader(raw, _BUFFER)


def _unreadable(fault: Exception) -> Unreadable:
    return Unreadable(f"The file cannot be unpacked: {fault}")


class _Frames(io.RawIOBase):
    """The frames of a zstd file, one after the other.

    The library's own reader takes a frame that is cut off for the end of the file.
    """

    def __init__(self, packed: io.RawIOBase) -> None:
        self._packed = packed
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._rest = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._plain:
            piece = self._rest or self._packed.read(_PIECE)
            if not piece:
                if self._frame:
                    raise EOFError("Its last frame is cut off")
                return 0
            self._unpack(piece)
        room = memoryview(buffer)
        size = min(len(room), len(self._plain))
        room[:size] = self._plain[:size]
        self._plain = self._plain[size:]
        return size

    def _unpack(self, piece: bytes) -> None:
        frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._plain = memoryview(frame.decompress(piece))
        self._rest = frame.unused_data
        self._frame = None if frame.eof else frame
