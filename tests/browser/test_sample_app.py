"""The app of docs/smart-app-guide.md, in a browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import allow, sign_in


def address(demo, launch: bool) -> str:
    lines = [line.strip() for line in demo.lines if line.startswith("  http://127.0.0.1")]
    return next(line for line in lines if ("launch=" in line) == launch)


def test_it_launches_by_itself_and_shows_the_patients_own_values(demo, page):
    page.goto(address(demo, launch=False))
    sign_in(page, "yanis")
    expect(page.locator("h1")).to_have_text("Allow Blood sugar?")
    allow(page)
    expect(page.locator("#who")).to_have_text("Yanis Delorvel")
    expect(page.locator("#list li")).to_have_count(10)
    assert "code=" not in page.url


def test_a_representative_chooses_the_child_first(demo, page):
    page.goto(address(demo, launch=False))
    sign_in(page, "camille")
    page.get_by_label("Lison Farelle").check()
    page.get_by_role("button", name="Continue").click()
    allow(page)
    expect(page.locator("#who")).to_have_text("Lison Farelle")


def test_it_says_why_it_shows_nothing_when_the_person_says_no(demo, page):
    page.goto(address(demo, launch=False))
    sign_in(page, "yanis")
    page.click("button[value=deny]")
    expect(page.locator("#who")).to_have_text("The person did not allow it")


def test_the_ehr_launches_it_for_its_patient(demo, page):
    page.goto(address(demo, launch=True))
    sign_in(page, "maravel")
    expect(page.get_by_text("Record of Yanis Delorvel")).to_be_visible()
    allow(page)
    expect(page.locator("#who")).to_have_text("Yanis Delorvel")
