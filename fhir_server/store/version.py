"""A version of a resource, and the MongoDB documents that hold it.

Current document: `{_id: id, v, u, m, w, p, d, e, k, b, r, s, raw}`; `b` is what the index has of
the keys `k` (`search.entries`). A large one has `f`, the GridFS file with its bytes, in the place
of `raw`; of a Binary also `o`, its outline, and `at`, where in it they go. A tombstone has
`x: true`, no bytes, and the keys of the version that was deleted, `k` under the name of `g`.
A document of `{Type}_history` has `_id` "id/version", `i` (the id), and its keys, so that a grant
can judge it. `w` is the token of the write.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import bson
import msgspec
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from msgspec.structs import replace

from fhir_server.errors import Conflict
from fhir_server.search.entries import entries
from fhir_server.search.keys import Contained, Keys, Range, documents
from fhir_server.store.database import Document
from fhir_server.store.splice import scalars, with_identity

SHOWN: Document = {"v": 1, "u": 1, "m": 1, "x": 1, "raw": 1, "f": 1, "o": 1, "at": 1}
KEPT: Document = {
    **SHOWN,
    **{"p": 1, "d": 1, "e": 1, "k": 1, "r": 1, "s": 1},
    **{"g": 1, "w": 1, "i": 1},
}


class VersionConflict(Conflict):
    """Another writer replaced the version that this write was meant for."""


class Blob(msgspec.Struct, frozen=True, gc=False):
    """The GridFS file of bytes that are too many for a document.

    They go into `outline` at the place `at`: of a Binary the outline is the resource with empty
    data. Without an outline the file has all.
    """

    file: ObjectId
    outline: bytes = b""
    at: int = 0


class Version(msgspec.Struct, frozen=True, gc=False):
    """One version of one resource; `updated` is in microseconds since 1970 UTC.

    `raw` is the whole resource as JSON, stamped; empty in a deletion. `keys` are there where they
    were asked for; a deletion has those of the version before.
    `blob` says where the bytes are that are too many for a document. `stored` is the MongoDB
    document of what was read in order to be replaced, keys and all; see `keys_of`.
    """

    type: str
    id: str
    version: int
    updated: int
    raw: bytes
    method: str
    keys: Keys | None = None
    deleted: bool = False
    blob: Blob | None = None
    stored: bytes = b""

    @property
    def outline(self) -> bytes:
        """The resource, without its data where that lies elsewhere; empty where all of it does."""
        return self.raw or (self.blob.outline if self.blob is not None else b"")


def history_id(id_: str, version: int) -> str:
    """The `_id` of a version in the history; sorts by number within one resource."""
    return f"{id_}/{version:010d}"


def current_document(new: Version, old: Version | None = None) -> Document:
    """The document of a current version; `old` is the one that a deletion ends."""
    keys = new.keys
    document: Document = {
        "_id": new.id,
        "v": new.version,
        "u": new.updated,
        "m": new.method,
        "w": random.getrandbits(63),
    }
    if new.deleted:
        keys = keys or (keys_of(old) if old else None)
        document["x"] = True
        document["g"] = [] if keys is None else keys.k
        if keys is not None:
            _put_fields(document, keys)
        return document
    if keys is None:
        raise ValueError(f"{new.type}/{new.id} has no keys")
    document["k"] = keys.k
    _put_fields(document, keys)
    _put_words(document, keys)
    document["b"] = entries(new.type, keys.p, keys.k) if keys.b is None else keys.b
    if keys.c:
        document["c"] = [_contained(one) for one in keys.c]
    if new.blob is not None:
        document["f"] = new.blob.file
        if new.blob.outline:
            document["o"], document["at"] = new.blob.outline, new.blob.at
    else:
        document["raw"] = new.raw
    return document


def history_document(old: Version) -> RawBSONDocument:
    """The document of a version in the history: the stored one under another identity."""
    if not old.stored:
        raise ValueError(f"{old.type}/{old.id} was not read to be replaced")
    return RawBSONDocument(with_identity(old.stored, history_id(old.id, old.version)))


def keys_of(version: Version) -> Keys | None:
    """The keys of a version, decoded now where it was read to be replaced."""
    if version.keys is None and version.stored:
        return parse(version.type, bson.decode(version.stored)).keys
    return version.keys


def _put_fields(document: Document, keys: Keys) -> None:
    """Put in the fields of a resource's keys but `k`, which a tombstone has under another name."""
    document["d"], document["e"], document["s"] = keys.d, keys.e, keys.s
    if keys.p is not None:
        document["p"] = keys.p
    if keys.r:
        document["r"] = documents(keys.r)


def _put_words(document: Document, keys: Keys) -> None:
    """Put in the fields of the words, where there are any."""
    if keys.n:
        document["n"] = keys.n
    if keys.t:
        document["t"] = keys.t


def _contained(one: Contained) -> Document:
    """The part of the document that has a contained resource's keys."""
    document: Document = {"type": one.type, "_id": one.id, "k": one.keys.k}
    _put_fields(document, one.keys)
    _put_words(document, one.keys)
    return document


def parse(type_: str, document: Document) -> Version:
    """The version that a current or history document holds; `raw` of a blob is still empty."""
    get = document.get
    keys: list[str] | None = get("k") or get("g")
    return Version(
        type_,
        document["_id"] if "i" not in document else document["i"],
        document["v"],
        document["u"],
        get("raw", b""),
        document["m"],
        None
        if keys is None
        else Keys(get("p"), get("d"), get("e"), keys, _ranges(document), get("s", ())),
        "x" in document,
        _blob(document),
    )


def parse_stored(type_: str, document: RawBSONDocument) -> Version:
    """The version that a current document holds, to be replaced: `stored` and not `keys`."""
    stored = bytes(document.raw)
    return replace(parse(type_, scalars(stored)), stored=stored)


def parse_current(type_: str, documents: Iterable[Document]) -> list[Version]:
    """The versions of current documents with the fields of SHOWN alone, no tombstones."""
    return [
        Version(type_, one["_id"], one["v"], one["u"], one["raw"], one["m"])
        if "raw" in one
        else parse(type_, one)
        for one in documents
    ]


def _blob(document: Document) -> Blob | None:
    file: ObjectId | None = document.get("f")
    return None if file is None else Blob(file, document.get("o", b""), document.get("at", 0))


def _ranges(document: Document) -> list[Range]:
    rows = document.get("r", ())
    return [(row["k"], row["lo"], row["hi"], tuple(row.get("w", ()))) for row in rows]


def cluster_time(value: Any) -> int:
    """MongoDB's timestamp as one number, for cursors."""
    return (int(value.time) << 32) | int(value.inc)
