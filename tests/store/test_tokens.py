"""Families, codes, refresh tokens and revocations, between two processes on one database."""

from __future__ import annotations

import asyncio
import time

import pytest

from fhir_server.store.authorizations import Authorizations
from fhir_server.store.connect import open_store
from fhir_server.store.tokens import Code, Family, Replayed, Tokens

NOW = time.time()


def family(id_="f", **changes):
    fields = {
        "client_id": "app",
        "subject": "me",
        "scope": "patient/*.rs",
        "created": NOW,
        "until": NOW + 1000,
        **changes,
    }
    return Family(id_, **fields)


@pytest.fixture
def tokens(store):
    return Tokens(store.database)


@pytest.fixture
async def neighbour(mongodb, database_name, store):
    """The tokens as another process has them."""
    async with open_store(mongodb, database_name) as other:
        yield Tokens(other.database)


async def test_a_family_comes_back_as_it_was(tokens):
    kept = family(patient="p1", fhir_user="Patient/p1", context={"intent": "x", "list": [1]})
    await tokens.add_family(kept)
    assert await tokens.family("f", NOW) == kept
    assert await tokens.family("f", NOW + 1001) is None
    assert await tokens.families("me", NOW) == [kept]


async def test_tokens_are_kept_as_hashes(tokens, store):
    await tokens.add_family(family())
    await tokens.add_code("the code", Code("f", "app", "https://a", "c"), NOW + 60, NOW + 100)
    await tokens.add_refresh("the refresh token", family())
    for name in await store.database.handle.list_collection_names():
        for row in await store.database[name].find().to_list():
            assert "the code" not in str(row)
            assert "the refresh token" not in str(row)


async def test_a_code_is_redeemed_by_one_of_two_processes(tokens, neighbour):
    await tokens.add_family(family())
    await tokens.add_code("c", Code("f", "app", "https://a", "x"), NOW + 60, NOW + 100)
    calls = [kept.redeem("c", NOW) for kept in (tokens, neighbour) for _ in range(8)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, Code) for answer in answers) == 1
    assert sum(isinstance(answer, Replayed) for answer in answers) == 15
    assert await tokens.is_revoked("j", "f")
    assert await neighbour.family("f", NOW) is None


async def test_a_refresh_token_without_grace_is_used_by_one_of_two_processes(tokens, neighbour):
    await tokens.add_family(family())
    await tokens.add_refresh("r", family())
    calls = [
        kept.rotate("r", f"s{n}", NOW + n / 1000, until=NOW + 1000, grace=-1)
        for n, kept in enumerate([tokens, neighbour] * 8)
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, Family) for answer in answers) <= 1
    assert sum(isinstance(answer, Replayed) for answer in answers) == 15
    assert await neighbour.is_revoked("j", "f")


async def test_a_revocation_is_seen_by_every_process_at_its_next_question(tokens, neighbour):
    for number in range(20):
        assert not await neighbour.is_revoked(f"j{number}", "f")
        await tokens.revoke_token(f"j{number}", NOW)
        assert await neighbour.is_revoked(f"j{number}", "f")
    await tokens.revoke_family("f", NOW)
    assert await neighbour.is_revoked("another", "f")
    assert not await neighbour.is_revoked("another", "another")


async def test_questions_that_are_asked_together_get_their_own_answers(tokens):
    await tokens.revoke_token("j7", NOW)
    await tokens.revoke_family("f9", NOW)
    answers = await asyncio.gather(*(tokens.is_revoked(f"j{n}", f"f{n}") for n in range(500)))
    assert [n for n, revoked in enumerate(answers) if revoked] == [7, 9]


async def test_s43_what_is_granted_for_a_session_ends_with_it_and_the_rest_does_not(tokens):
    await tokens.add_family(family("online", session="s"))
    await tokens.add_family(family("offline"))
    await tokens.end_session("s", NOW)
    assert await tokens.family("online", NOW) is None
    assert await tokens.is_revoked("j", "online")
    assert await tokens.family("offline", NOW) is not None


async def test_an_account_and_a_client_can_be_ended(tokens):
    await tokens.add_family(family("one"))
    await tokens.add_family(family("two", subject="you", client_id="other"))
    await tokens.revoke_subject("me", NOW)
    assert await tokens.is_revoked("j", "one")
    assert not await tokens.is_revoked("j", "two")
    await tokens.revoke_client("other", "own family", NOW)
    assert await tokens.is_revoked("j", "two")
    assert await tokens.is_revoked("j", "own family")


async def test_s53_of_many_with_one_assertion_id_one_is_first(store, mongodb, database_name):
    async with open_store(mongodb, database_name) as other:
        kept = [Authorizations(store.database), Authorizations(other.database)] * 8
        answers = await asyncio.gather(*(k.accept_assertion("c", "j", NOW + 300) for k in kept))
        assert sum(answers) == 1
        assert await kept[1].accept_assertion("another", "j", NOW + 300)


async def test_everything_that_passes_has_its_end(store):
    for name in ("pending", "launches", "codes", "refresh", "families", "revoked", "assertions"):
        indexes = await store.database[f"auth_{name}"].index_information()
        assert indexes["forget_1"]["expireAfterSeconds"] == 0
