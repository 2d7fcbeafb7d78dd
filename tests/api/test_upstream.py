"""People sign in by another OpenID Connect provider, and nobody else comes in that way."""

from __future__ import annotations

import httpx
import pytest
from joserfc.jwk import RSAKey

from fhir_server.settings import IdentityProvider, Settings
from fhir_server.smart.upstream import identity
from tests.api.browser import Browser
from tests.api.provider import CLIENT, SECRET, Provider, provider


@pytest.fixture
def psc():
    with provider() as running:
        yield running


@pytest.fixture
def claim() -> str:
    return "sub"


@pytest.fixture
def settings(mongodb: str, database_name: str, psc: Provider, claim: str) -> Settings:
    known = IdentityProvider(
        key="psc",
        name="Pro Santé",
        issuer=psc.issuer,
        client_id=CLIENT,
        client_secret=SECRET,
        claim=claim,
        acr_values="eidas1",
    )
    return Settings(
        mongodb_uri=mongodb, mongodb_database=database_name, identity_providers=(known,)
    )


@pytest.fixture
async def browser(server, psc) -> Browser:
    accounts = server._pages.state.people.accounts
    linked = [identity(psc.issuer, "8000123")]
    await accounts.add("maravel", "Ondine Maravel", "Practitioner/1", upstream=linked)
    return Browser(server)


async def signed_in_elsewhere(browser: Browser, **changes: str) -> None:
    """The browser after the round over the provider."""
    await browser.get("/sign-in?next=/account")
    assert "Sign in with Pro Santé" in browser.text
    await browser.send("/sign-in/with/psc")
    assert browser.answer.status_code == 303, browser.text
    async with httpx.AsyncClient() as outside:
        back = (await outside.get(browser.answer.headers["location"])).headers["location"]
    await browser.get(str(httpx.URL(back).copy_merge_params(changes)))


async def test_a_linked_person_signs_in(browser, psc):
    await signed_in_elsewhere(browser)
    assert (browser.path, browser.title) == ("/account", "Your account")
    assert "Ondine Maravel" in browser.text
    assert psc.asked[0]["acr_values"] == "eidas1"
    assert psc.asked[0]["redirect_uri"] == "http://127.0.0.1:8080/sign-in/from/psc"


async def test_somebody_without_an_account_does_not(browser, psc):
    psc.person = "somebody else"
    await signed_in_elsewhere(browser)
    assert browser.answer.status_code == 401
    assert "no account is linked" in browser.text


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody"},
        {"aud": None},
        {"iss": "https://evil.example.org"},
        {"exp": 1_600_000_000},
        {"exp": None},
        {"sub": None},
        {"azp": "somebody"},
    ],
    ids=str,
)
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(browser, psc, claims):
    psc.claims = claims
    await signed_in_elsewhere(browser)
    assert browser.answer.status_code == 401


async def test_an_id_token_of_another_key_is_refused(browser, psc):
    psc.signer = RSAKey.generate_key(2048, {"kid": "one"})
    await signed_in_elsewhere(browser)
    assert browser.answer.status_code == 401


async def test_a_new_key_of_the_provider_is_fetched(browser, psc):
    await signed_in_elsewhere(browser)
    psc.key = psc.signer = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    await browser.get("/sign-out")
    await browser.send("/sign-out")
    await signed_in_elsewhere(browser)
    assert browser.path == "/account"


@pytest.mark.parametrize(
    "changes", [{"state": "another"}, {"iss": "https://evil.example.org"}, {"code": "another"}]
)
async def test_an_answer_to_another_request_is_refused(browser, changes):
    await signed_in_elsewhere(browser, **changes)
    assert browser.answer.status_code == 401


async def test_an_answer_is_taken_by_the_browser_that_asked_alone(browser, server):
    await browser.get("/sign-in")
    await browser.send("/sign-in/with/psc")
    async with httpx.AsyncClient() as outside:
        back = (await outside.get(browser.answer.headers["location"])).headers["location"]
    victim = Browser(server)
    await victim.get("/sign-in")
    await victim.get(back)
    assert victim.answer.status_code == 401


class TestByAnotherClaim:
    @pytest.fixture
    def claim(self) -> str:
        return "SubjectNameID"

    @pytest.mark.parametrize("signed", [False, True])
    async def test_userinfo_says_it(self, browser, psc, signed):
        psc.person, psc.userinfo = "opaque", {"SubjectNameID": "8000123"}
        psc.signed_userinfo = signed
        await signed_in_elsewhere(browser)
        assert browser.path == "/account"

    async def test_userinfo_about_somebody_else_is_refused(self, browser, psc):
        psc.userinfo = {"SubjectNameID": "8000123", "sub": "another"}
        await signed_in_elsewhere(browser)
        assert browser.answer.status_code == 401
