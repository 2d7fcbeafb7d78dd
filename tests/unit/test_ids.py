"""Logical ids as the server gives them."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from fhir_server.services import new_id


def test_ids_are_random_uuids() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    for text in ids:
        uuid = UUID(text)
        assert (str(uuid), uuid.version, uuid.variant) == (text, 4, RFC_4122)
    # Every digit but the version's comes in all the ways that it may.
    seen = [len(set(column)) for column in zip(*ids, strict=True)]
    assert [place for place, ways in enumerate(seen) if ways < 16] == [8, 13, 14, 18, 19, 23]
    assert seen[19] == 4
