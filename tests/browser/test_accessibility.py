"""WCAG 2.2 AA by axe-core, on every page, in both languages and both colour schemes."""

from __future__ import annotations

import pytest

from tests.browser.conftest import sign_in

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHECK = "async (rules) => (await axe.run(document, { runOnly: rules })).violations"


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier(demo, chromium, package, language, scheme):
    axe = (package("axe-core@4.10.3") / "axe.min.js").read_text()
    root = demo.base.removesuffix("/fhir")
    app = next(line.strip() for line in demo.lines if line.startswith("  http://127.0.0.1"))
    context = chromium.new_context(locale=language, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    seen: dict[str, list[str]] = {}

    def look(name: str) -> None:
        assert page.locator("html").get_attribute("lang") == language
        page.evaluate(axe)
        found = page.evaluate(CHECK, RULES)
        seen[name] = [
            f"{one['id']}: {one['help']}: {node['html']}" for one in found for node in one["nodes"]
        ]

    page.goto(app)
    page.wait_for_url("**/sign-in?**")
    look("sign-in")
    page.fill("#name", "nobody")
    page.fill("#password", "nothing")
    page.click("form[action='/sign-in'] button")
    look("sign-in with an error")
    sign_in(page, "maravel")
    look("patients")
    page.check("input[name=patient] >> nth=0")
    page.click("form:has(input[name=patient]) button")
    look("approve")
    for path in ("/account", "/account/password", "/account/authenticator", "/sign-out"):
        page.goto(root + path)
        look(path)
    page.goto(f"{root}/account")
    page.click("form[action='/account/paper'] button")
    look("paper")
    page.goto(f"{root}/auth/approve?request=none")
    look("fault")
    page.goto(f"{root}/sign-out")
    page.click("form[action='/sign-out'] button")
    look("signed out")
    page.goto(f"{root}/sign-in/recover")
    look("recover")
    page.goto(app)
    sign_in(page, "admin")
    look("nothing to give")
    context.close()
    assert len(seen) == 13
    assert {name: faults for name, faults in seen.items() if faults} == {}
