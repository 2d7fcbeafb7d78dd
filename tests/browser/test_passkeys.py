"""A passkey is made on the account page and signs in afterwards, in a browser that has them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in


@pytest.fixture
def root(demo) -> str:
    return demo.base.removesuffix("/fhir")


def authenticator(page: Page, *, verifies: bool = True) -> None:
    """A device that holds passkeys, and whether it checks its holder."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_takes_the_place_of_name_and_password(root, page):
    authenticator(page)
    page.goto(f"{root}/account")
    sign_in(page, "yanis")
    page.fill("#title", "My laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("My laptop, added on")).to_be_visible()
    page.locator("form[action='/sign-out'] button").click()
    page.goto(f"{root}/account")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("h1")).to_have_text("Your account")
    # Taken away, it signs in no more.
    page.get_by_role("button", name="Remove: My laptop").click()
    expect(page.get_by_text("None so far.")).to_be_visible()
    page.locator("form[action='/sign-out'] button").click()
    page.goto(f"{root}/account")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This passkey is not known")


def test_without_scripts_nothing_offers_a_passkey(root, chromium):
    context = chromium.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{root}/account")
    assert page.get_by_text("Sign in with a passkey").is_hidden()
    sign_in(page, "camille")
    assert page.locator("h1").text_content() == "Your account"
    context.close()
