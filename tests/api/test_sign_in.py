"""People sign in, are kept waiting when they guess, and sign out."""

from __future__ import annotations

import re
import time

import pyotp
import pytest

from fhir_server.settings import Settings
from fhir_server.smart.people import People
from tests.api.browser import Browser

PASSWORD = "quatre chevaux bleus"


@pytest.fixture
def settings(mongodb: str, database_name: str) -> Settings:
    return Settings(mongodb_uri=mongodb, mongodb_database=database_name)


@pytest.fixture
def people(server) -> People:
    return server._pages.state.people


@pytest.fixture
async def yanis(people: People):
    account, _ = await people.accounts.add(
        "yanis", "Yanis Delorvel", "Patient/yanis", password=PASSWORD
    )
    return account


@pytest.fixture
def browser(server) -> Browser:
    return Browser(server)


async def test_a_person_signs_in_and_out(browser, yanis):
    await browser.get("/account")
    assert browser.path == "/sign-in"
    await browser.sign_in(" Yanis ", PASSWORD)
    assert (browser.path, browser.title) == ("/account", "Your account")
    assert "Yanis Delorvel" in browser.text
    await browser.get("/sign-out")
    await browser.send("/sign-out")
    assert browser.title == "You are signed out"
    await browser.get("/account")
    assert browser.path == "/sign-in"


async def test_a_session_begins_anew_with_the_sign_in_and_ends_for_good(browser, yanis):
    await browser.get("/sign-in")
    before = browser.http.cookies["visit"]
    await browser.sign_in("yanis", PASSWORD)
    during = browser.http.cookies["visit"]
    assert during != before
    await browser.get("/sign-out")
    await browser.send("/sign-out")
    browser.http.cookies.clear()
    for old in (before, during):
        browser.http.cookies.set("visit", old, domain="127.0.0.1")
        await browser.get("/account")
        assert browser.path == "/sign-in"


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(browser, yanis):
    answer = await browser.http.get("/sign-in")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie  # this server is on plain http


class TestWithHttps:
    @pytest.fixture
    def settings(self, mongodb: str, database_name: str) -> Settings:
        return Settings(
            mongodb_uri=mongodb,
            mongodb_database=database_name,
            base_url="https://ehr.example.org/fhir",
        )

    async def test_cookies_are_secure_and_of_this_host_alone(self, server):
        browser = Browser(server, "https://ehr.example.org")
        cookie = (await browser.get("/sign-in")).headers["set-cookie"]
        assert cookie.startswith("__Host-visit=")
        assert "; Secure" in cookie
        assert "; Path=/" in cookie
        assert "Domain" not in cookie


async def test_pages_are_framed_nowhere_and_run_no_foreign_script(browser, yanis):
    answer = await browser.get("/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert (
        "script-src 'none'"
        in (await browser.get("/sign-in/recover")).headers["content-security-policy"]
    )


async def test_an_unknown_name_is_answered_as_a_wrong_password_is(browser, yanis):
    await browser.get("/sign-in")
    told = {}
    for name in ("yanis", "nobody"):
        began = time.perf_counter()
        answer = await browser.sign_in(name, "not the password")
        told[name] = (answer.status_code, browser.text.replace(name, "NAME"))
        assert time.perf_counter() - began > 0.02  # a hash was computed for either
    assert told["yanis"] == told["nobody"]
    assert told["yanis"][0] == 401
    assert "do not belong together" in told["yanis"][1]


async def test_a_form_from_elsewhere_is_refused(browser, yanis):
    await browser.get("/sign-in")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"name=yanis&password={PASSWORD}".replace(" ", "+")
    for csrf in ("", "&csrf=", "&csrf=" + "0" * 64):
        answer = await browser.http.post("/sign-in", content=body + csrf, headers=headers)
        assert answer.status_code == 403
    other = Browser(browser.http._transport.app)
    await other.get("/sign-in")
    foreign = dict(other.forms()[0]["fields"])["csrf"]
    answer = await browser.http.post("/sign-in", content=f"{body}&csrf={foreign}", headers=headers)
    assert answer.status_code == 403
    own = dict(browser.forms()[0]["fields"])["csrf"]
    headers["Sec-Fetch-Site"] = "cross-site"
    answer = await browser.http.post("/sign-in", content=f"{body}&csrf={own}", headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "goal", ["https://evil.example.org/", "//evil.example.org", "/fhir/Patient", "/account?x", ""]
)
async def test_sign_in_leads_to_pages_of_ours_alone(browser, yanis, goal):
    await browser.get("/sign-in", params={"next": goal})
    await browser.sign_in("yanis", PASSWORD)
    assert browser.path == "/account"


async def test_guessing_is_slowed_down_for_the_guesser_alone(browser, server, yanis):
    await browser.get("/sign-in")
    statuses = [(await browser.sign_in("yanis", f"guess {n}")).status_code for n in range(7)]
    assert statuses[:5] == [401] * 5
    assert statuses[5:] == [429] * 2
    assert int(browser.answer.headers["retry-after"]) >= 1
    assert "not locked" in browser.text
    # The right password waits too, or the wait would tell nothing apart.
    assert (await browser.sign_in("yanis", PASSWORD)).status_code == 429
    elsewhere = Browser(server, address="203.0.113.9")
    await elsewhere.get("/sign-in")
    await elsewhere.sign_in("yanis", PASSWORD)
    assert elsewhere.path == "/account"


async def test_a_browser_that_signed_in_before_waits_for_nobody_at_its_address(server, yanis):
    known, stranger = Browser(server), Browser(server)
    await known.get("/sign-in")
    await known.sign_in("yanis", PASSWORD)
    await known.get("/sign-out")
    await known.send("/sign-out")
    await stranger.get("/sign-in")
    for guess in range(7):
        await stranger.sign_in("yanis", f"guess {guess}")
    assert stranger.answer.status_code == 429
    await known.get("/sign-in")
    await known.sign_in("yanis", PASSWORD)
    assert known.path == "/account"


async def test_the_first_sign_in_is_with_a_code_on_paper_that_is_good_once(browser, people):
    _, code = await people.accounts.add("marie", "Marie", "Practitioner/1")
    await browser.get("/sign-in/recover")
    await browser.send("/sign-in/recover", name="marie", code="AAAA-BBBB-CCCC-DDDD")
    assert browser.answer.status_code == 401
    await browser.send("/sign-in/recover", name="marie", code=code.lower().replace("-", " "))
    assert browser.path == "/account/password"
    for password, told in (("short", "12 characters"), ("marie2026 2026", "easy to guess")):
        await browser.send("/account/password", password=password, again=password)
        assert browser.answer.status_code == 400
        assert told in browser.text
    await browser.send("/account/password", password=PASSWORD, again=PASSWORD + "x")
    assert "not the same" in browser.text
    await browser.send("/account/password", password=PASSWORD, again=PASSWORD)
    assert browser.path == "/account"
    again = Browser(browser.http._transport.app)
    await again.get("/sign-in/recover")
    await again.send("/sign-in/recover", name="marie", code=code)
    assert again.answer.status_code == 401
    await again.get("/sign-in")
    await again.sign_in("marie", PASSWORD)
    assert again.path == "/account"


async def test_an_authenticator_is_asked_for_and_its_codes_work_once(browser, server, yanis):
    await browser.get("/sign-in")
    await browser.sign_in("yanis", PASSWORD)
    await browser.get("/account/authenticator")
    secret = dict(browser.forms()[0]["fields"])["secret"]
    await browser.send("/account/authenticator", code="000000")
    assert browser.answer.status_code == 400
    used = pyotp.TOTP(secret).now()
    await browser.send("/account/authenticator", code=used)
    assert browser.path == "/account"

    other = Browser(server)
    await other.get("/sign-in")
    await other.sign_in("yanis", PASSWORD)
    assert other.path == "/sign-in/second"
    assert (await other.http.get("/account")).headers["location"].startswith("/sign-in")
    await other.send("/sign-in/second", code=used)
    assert other.answer.status_code == 401
    step = int(time.time()) // 30 + 1
    await other.send("/sign-in/second", code=pyotp.TOTP(secret).generate_otp(step))
    assert other.path == "/account"


async def test_a_code_on_paper_takes_the_place_of_the_authenticator(browser, server, people, yanis):
    await browser.get("/sign-in")
    await browser.sign_in("yanis", PASSWORD)
    await browser.send("/account/paper")
    codes = re.findall(r"<code>([A-Z0-9-]{19})</code>", browser.html)
    assert len(set(codes)) == 10
    await people.accounts.set_totp(
        yanis.id, secret := pyotp.random_base32(), pyotp.TOTP(secret).now()
    )
    for expected in ("/account", "/sign-in/second"):
        other = Browser(server)
        await other.get("/sign-in")
        await other.sign_in("yanis", PASSWORD)
        await other.send("/sign-in/second", code=codes[0])
        assert other.path == expected


async def test_a_new_password_ends_the_sessions_elsewhere(browser, server, yanis):
    other = Browser(server)
    for one in (browser, other):
        await one.get("/sign-in")
        await one.sign_in("yanis", PASSWORD)
    await browser.get("/account/password")
    await browser.send("/account/password", password="un autre mot long", again="un autre mot long")
    assert browser.path == "/account"
    await other.get("/account")
    assert other.path == "/sign-in"


async def test_a_disabled_account_is_out_at_once(browser, people, yanis):
    await browser.get("/sign-in")
    await browser.sign_in("yanis", PASSWORD)
    await people.accounts.disable(yanis.id, disabled=True)
    await browser.get("/account")
    assert browser.path == "/sign-in"
    await browser.sign_in("yanis", PASSWORD)
    assert browser.answer.status_code == 401


@pytest.mark.parametrize(
    ("header", "title"),
    [("fr-FR,fr;q=0.9,en;q=0.5", "Se connecter"), ("en, fr;q=0.3", "Sign in"), ("de", "Sign in")],
)
async def test_the_page_is_in_the_browsers_language_until_another_is_chosen(browser, header, title):
    browser.http.headers["Accept-Language"] = header
    await browser.get("/sign-in")
    assert browser.title == title
    await browser.get("/sign-in?lang=fr&next=/account")
    assert '<html lang="fr">' in browser.html
    await browser.get("/sign-in")
    assert browser.title == "Se connecter"
