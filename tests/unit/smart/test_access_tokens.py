"""Reading access tokens: what our own keys signed, but for something else, opens nothing. S-61."""

from __future__ import annotations

import pytest

from fhir_server.settings import Settings
from fhir_server.smart.errors import InvalidToken
from fhir_server.smart.keys import ACCESS, SigningKeys
from fhir_server.smart.tokens import TokenMaker
from fhir_server.store.keys import Keys
from fhir_server.store.tokens import Family

NOW = 1_000_000
GOOD = {
    "iss": "http://127.0.0.1:8080",
    "aud": "http://127.0.0.1:8080/fhir",
    "sub": "me",
    "client_id": "app",
    "scope": "patient/*.rs",
    "iat": NOW,
    "exp": NOW + 60,
    "jti": "j",
    "fam": "f",
}


@pytest.fixture
def keys(store):
    return SigningKeys(Keys(store.database), lambda: float(NOW), 86_400)


@pytest.fixture
def maker(keys):
    return TokenMaker(Settings(), keys, lambda: float(NOW))


async def test_what_was_made_is_read(maker):
    family = Family("f", "app", "me", "openid", NOW, NOW, patient="p", fhir_user="Patient/p")
    token, seconds = await maker.access_token(family, "patient/*.rs", "thumb")
    claims = await maker.read(token)
    assert (claims.subject, claims.client_id, claims.family) == ("me", "app", "f")
    assert (claims.patient, claims.fhir_user) == ("p", "Patient/p")
    assert claims.scope == "patient/*.rs"
    assert claims.key_thumbprint == "thumb"
    assert claims.expires == NOW + seconds


async def test_the_claims_of_the_table_are_good(maker, keys):
    assert await maker.read(await keys.sign(ACCESS, {"typ": "at+jwt"}, GOOD))


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({"typ": "JWT"}, {}),
        ({}, {}),
        ({"typ": "logout+jwt"}, {}),
        ({"typ": "at+jwt"}, {"iss": "https://other.example.org"}),
        ({"typ": "at+jwt"}, {"aud": "https://other.example.org/fhir"}),
        ({"typ": "at+jwt"}, {"aud": ["http://127.0.0.1:8080/fhir", "https://other"]}),
        ({"typ": "at+jwt"}, {"aud": "http://127.0.0.1:8080"}),
        ({"typ": "at+jwt"}, {"exp": NOW}),
        ({"typ": "at+jwt"}, {"exp": NOW - 1}),
    ],
)
async def test_another_type_issuer_audience_or_time_is_refused(maker, keys, header, changes):
    with pytest.raises(InvalidToken):
        await maker.read(await keys.sign(ACCESS, header, {**GOOD, **changes}))
