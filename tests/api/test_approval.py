"""A signed-in person decides about an app: whose record, which scopes, and the way back."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.access.grant import Grant
from fhir_server.dispatch import dispatch
from fhir_server.exchange import FhirRequest
from fhir_server.fhir.codec import encode
from fhir_server.settings import Settings
from fhir_server.smart.people import People
from tests.api.browser import Browser
from tests.api.smart import BASE, CALLBACK, App, basic, bearer, clients_file, parameters, sent_to

PASSWORD = "quatre chevaux bleus"
ALLOW, DENY = ("decision", "allow"), ("decision", "deny")
WIDE = "openid fhirUser launch/patient patient/*.rs patient/Observation.cud offline_access"


def patient(id_: str, given: str, family: str) -> dict:
    name = {"given": [given], "family": family}
    return {"resourceType": "Patient", "id": id_, "name": [name], "birthDate": "2020-01-02"}


def encounter(id_: str, of: str, day: str) -> dict:
    return {
        "resourceType": "Encounter",
        "id": id_,
        "status": "finished",
        "class": {"code": "AMB", "display": "ambulatory"},
        "subject": {"reference": f"Patient/{of}"},
        "period": {"start": day},
    }


RECORDS = [
    patient("p1", "Lison", "Farelle"),
    patient("p2", "Noé", "Castagnier"),
    patient("p3", "Yanis", "Delorvel"),
    encounter("e1", "p1", "2026-01-01"),
    encounter("e2", "p1", "2026-02-01"),
    encounter("e3", "p2", "2026-03-01"),
]
PEOPLE = {
    "lison": ("Patient/p1", ()),
    "marie": ("RelatedPerson/r1", ("p1", "p2")),
    "maravel": ("Practitioner/d1", ()),
    "root": (None, ()),
}


@pytest.fixture
def settings(mongodb: str, database_name: str, tmp_path) -> Settings:
    return Settings(
        mongodb_uri=mongodb, mongodb_database=database_name, clients_file=clients_file(tmp_path)
    )


@pytest.fixture
async def people(server) -> People:
    services = server._pages.state.services
    for resource in RECORDS:
        path = f"{resource['resourceType']}/{resource['id']}"
        request = FhirRequest("PUT", path, Grant.system("test"), BASE, body=encode(resource))
        request.headers = {"content-type": "application/fhir+json"}
        await dispatch(request, services)
    found: People = server._pages.state.people
    for name, (fhir_user, patients) in PEOPLE.items():
        await found.accounts.add(name, name.title(), fhir_user, patients, password=PASSWORD)
    return found


@pytest.fixture
def browser(server, people) -> Browser:
    return Browser(server)


@pytest.fixture
def app(browser) -> App:
    return App(browser.http)


async def launched(app: App, browser: Browser, name: str, **changes) -> None:
    """The browser after an app sent it here and the person signed in."""
    answer = await app.authorize(**changes)
    await browser.get(answer.headers["location"])
    if browser.path == "/sign-in":
        await browser.sign_in(name, PASSWORD)


async def granted(app: App, browser: Browser) -> dict:
    """The token response for the code that the browser was sent back with."""
    where, _ = sent_to(browser.answer.headers["location"])
    assert where == CALLBACK
    given = parameters(browser.answer.headers["location"])
    return (await app.redeem(given["code"])).json()


async def test_a_patient_allows_an_app_and_comes_back_with_a_code(app, browser):
    await launched(app, browser, "lison", scope=WIDE)
    assert browser.title == "Allow A public app?"
    assert "Record of Lison Farelle" in browser.text
    assert "app.example.org" in browser.text
    await browser.send("/auth/approve", ALLOW)
    token = await granted(app, browser)
    assert token["patient"] == "p1"
    assert set(token["scope"].split()) == set(WIDE.split())
    read = await browser.http.get(f"{BASE}/Patient/p1", headers=bearer(token["access_token"]))
    assert read.json()["name"][0]["family"] == "Farelle"
    other = await browser.http.get(f"{BASE}/Patient/p2", headers=bearer(token["access_token"]))
    assert other.status_code in (403, 404)


async def test_what_is_unticked_is_not_granted(app, browser):
    await launched(app, browser, "lison", scope=WIDE)
    await browser.send("/auth/approve", ALLOW, drop=("patient/Observation.cud", "offline_access"))
    token = await granted(app, browser)
    assert set(token["scope"].split()) == {"openid", "fhirUser", "launch/patient", "patient/*.rs"}
    assert "refresh_token" not in token


async def test_more_than_was_asked_counts_for_nothing(app, browser):
    await launched(app, browser, "lison", scope="launch/patient patient/Observation.rs")
    await browser.send("/auth/approve", ALLOW, scope="patient/Observation.rs patient/*.cruds")
    assert (await granted(app, browser))["scope"] == "launch/patient patient/Observation.rs"


async def test_nothing_ticked_is_a_refusal(app, browser):
    await launched(app, browser, "lison", scope="openid patient/Observation.rs")
    await browser.send("/auth/approve", ALLOW, drop=("openid", "patient/Observation.rs"))
    assert parameters(browser.answer.headers["location"])["error"] == "access_denied"


async def test_no_sends_the_browser_back_without_a_code(app, browser):
    await launched(app, browser, "lison", state="st ät&e")
    await browser.send("/auth/approve", DENY)
    given = parameters(browser.answer.headers["location"])
    assert (given["error"], given["state"]) == ("access_denied", "st ät&e")
    assert "code" not in given


async def test_a_request_is_decided_once(app, browser):
    await launched(app, browser, "lison")
    page = browser.answer
    await browser.send("/auth/approve", ALLOW)
    assert "code" in parameters(browser.answer.headers["location"])
    browser.answer = page
    await browser.send("/auth/approve", ALLOW)
    assert browser.answer.status_code == 400
    assert "answered before" in browser.text


async def test_scopes_are_in_plain_words(app, browser):
    await launched(
        app,
        browser,
        "lison",
        scope="openid patient/Observation.rs?category=http://x.example|laboratory "
        "patient/AllergyIntolerance.cruds patient/Basic.r user/*.rs online_access",
        lang="fr",
    )
    for text in (
        "Measurements and test results", "only where category is laboratory",
        "Allergies and intolerances read, add, change, delete", "Data of type Basic",
        "In every record that you may open", "Know who you are",
        "Keep the access while you are signed in",
    ):  # fmt: skip
        assert text in browser.text
    await browser.get(f"{browser.answer.url}&lang=fr")
    assert "Mesures et résultats d'analyses" in browser.text.replace("&#39;", "'")
    assert "seulement où category est laboratory" in browser.text


async def test_a_representative_chooses_among_those_whom_they_represent(app, browser):
    await launched(app, browser, "marie")
    assert browser.title == "Whose record?"
    assert "Lison Farelle" in browser.text
    assert "Noé Castagnier" in browser.text
    assert "Yanis" not in browser.text
    await browser.send("/auth/approve", patient="p2")
    assert "Record of Noé Castagnier" in browser.text
    await browser.send("/auth/approve", ALLOW)
    token = await granted(app, browser)
    assert token["patient"] == "p2"


async def test_nobody_opens_a_record_that_is_not_theirs(app, browser):
    await launched(app, browser, "marie")
    request = dict(browser.forms()[0]["fields"])["request"]
    await browser.get("/auth/approve", params={"request": request, "patient": "p3"})
    assert (browser.answer.status_code, browser.title) == (403, "No access to give")
    assert "Yanis" not in browser.text
    await browser.get("/auth/approve", params={"request": request, "patient": "p1"})
    await browser.send("/auth/approve", ALLOW, patient="p3")
    assert browser.answer.status_code == 403
    assert "may not open this record" in browser.text


async def test_a_practitioner_searches_by_name(app, browser):
    await launched(app, browser, "maravel")
    assert "Yanis Delorvel" in browser.text
    await browser.send("/auth/approve", name="noé cast")
    assert "Yanis" not in browser.text
    await browser.send("/auth/approve", name="zzz")
    assert "No record was found" in browser.text
    await browser.send("/auth/approve", name="far")
    form = next(f for f in browser.forms() if ("name", "far") not in f["fields"])
    request = dict(form["fields"])["request"]
    await browser.get("/auth/approve", params={"request": request, "patient": "p1"})
    await browser.send("/auth/approve", ALLOW)
    assert (await granted(app, browser))["patient"] == "p1"


async def test_user_scopes_need_no_patient(app, browser):
    await launched(app, browser, "maravel", scope="openid fhirUser user/*.rs")
    assert browser.title == "Allow A public app?"
    await browser.send("/auth/approve", ALLOW)
    token = await granted(app, browser)
    assert "patient" not in token
    assert token["scope"] == "openid fhirUser user/*.rs"


async def test_an_encounter_of_the_patient_can_be_chosen(app, browser):
    scope = "launch/patient launch/encounter patient/*.rs"
    await launched(app, browser, "lison", scope=scope)
    assert "1 February 2026, ambulatory" in browser.text
    assert "March" not in browser.text
    await browser.send("/auth/approve", ALLOW, encounter="e2")
    token = await granted(app, browser)
    assert (token["patient"], token["encounter"]) == ("p1", "e2")
    await launched(app, browser, "lison", scope=scope)
    await browser.send("/auth/approve", ALLOW, encounter="e3")
    assert parameters(browser.answer.headers["location"])["error"] == "access_denied"


@pytest.mark.parametrize("scope", ["launch/patient patient/*.rs", "user/*.cruds"])
async def test_administrators_can_give_no_health_data(app, browser, scope):
    await launched(app, browser, "root", scope=scope)
    assert browser.title == "No access to give"
    assert "no access to any health data" in browser.text
    await browser.send("/auth/approve", ALLOW)
    assert parameters(browser.answer.headers["location"])["error"] == "access_denied"


async def test_administrators_can_say_who_they_are(app, browser):
    await launched(app, browser, "root", scope="openid fhirUser patient/*.rs launch/patient")
    await browser.send("/auth/approve", ALLOW)
    assert (await granted(app, browser))["scope"] == "openid fhirUser"


async def announced(browser: Browser, **context) -> str:
    answer = await browser.http.post(
        "/auth/launch", json={"client_id": "public", **context}, headers=basic("ehr")
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["launch"]


async def test_an_ehr_launch_brings_its_patient_and_encounter(app, browser):
    launch = await announced(browser, patient="p1", encounter="e1")
    scope = "launch patient/*.rs"
    await launched(app, browser, "maravel", scope=scope, launch=launch)
    assert "Record of Lison Farelle" in browser.text
    assert "Choose another record" not in browser.text
    await browser.send("/auth/approve", ALLOW, patient="p2")
    token = await granted(app, browser)
    assert (token["patient"], token["encounter"]) == ("p1", "e1")


async def test_an_ehr_launch_opens_no_record_that_is_not_the_persons(app, browser):
    launch = await announced(browser, patient="p2")
    await launched(app, browser, "lison", scope="launch patient/*.rs", launch=launch)
    assert (browser.answer.status_code, browser.title) == (403, "No access to give")
    assert "Noé" not in browser.text


async def test_prompt_none_asks_nobody(app, browser):
    answer = await app.authorize(prompt="none")
    await browser.get(answer.headers["location"])
    assert parameters(browser.answer.headers["location"])["error"] == "login_required"
    await launched(app, browser, "lison")
    answer = await app.authorize(prompt="none")
    await browser.get(answer.headers["location"])
    assert parameters(browser.answer.headers["location"])["error"] == "consent_required"


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}])
async def test_a_fresh_sign_in_is_asked_for_when_the_app_wants_it(app, browser, changes):
    await launched(app, browser, "lison")
    await asyncio.sleep(1.1)
    answer = await app.authorize(**changes)
    await browser.get(answer.headers["location"])
    assert browser.path == "/sign-in"
    await browser.sign_in("lison", PASSWORD)
    assert browser.path == "/auth/approve"
    await browser.send("/auth/approve", ALLOW)
    assert "code" in parameters(browser.answer.headers["location"])


async def test_another_site_cannot_decide(app, browser):
    await launched(app, browser, "lison")
    request = dict(browser.forms()[0]["fields"])["request"]
    body = f"request={request}&decision=allow&patient=p1&scope=patient/*.rs"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await browser.http.post("/auth/approve", content=body, headers=headers)
    assert answer.status_code == 403
    assert "location" not in answer.headers


async def test_access_can_be_taken_back_on_the_account_page(app, browser):
    await launched(app, browser, "lison")
    await browser.send("/auth/approve", ALLOW)
    token = await granted(app, browser)
    await browser.get("/account")
    form = next(f for f in browser.forms() if f["action"] == "/account/apps")
    await browser.send("/account/apps", form["buttons"][0])
    assert "None." in browser.text
    read = await browser.http.get(f"{BASE}/Patient/p1", headers=bearer(token["access_token"]))
    assert read.status_code == 401
    assert (await app.refresh(token["refresh_token"])).status_code == 400


async def test_signing_out_ends_online_access_and_leaves_offline_access(app, browser):
    tokens = {}
    for kind in ("online_access", "offline_access"):
        await launched(app, browser, "lison", scope=f"launch/patient patient/*.rs {kind}")
        await browser.send("/auth/approve", ALLOW)
        tokens[kind] = await granted(app, browser)
    assert "refresh_token" in tokens["online_access"]
    await browser.get("/sign-out")
    await browser.send("/sign-out")
    status = {k: (await app.refresh(t["refresh_token"])).status_code for k, t in tokens.items()}
    assert status == {"online_access": 400, "offline_access": 200}


class TestModeThatAsks:
    """FHIR_TEST_SIGN_IN=ask: a person of the settings is signed in, and decides by hand."""

    @pytest.fixture
    def settings(self, mongodb: str, database_name: str, tmp_path) -> Settings:
        return Settings(
            mongodb_uri=mongodb,
            mongodb_database=database_name,
            clients_file=clients_file(tmp_path),
            test_sign_in="ask",
            test_user="Practitioner/d1",
        )

    async def test_nobody_types_a_password_and_scopes_can_be_chosen(self, app, browser):
        answer = await app.authorize(scope="launch/patient patient/*.rs openid")
        await browser.get(answer.headers["location"])
        assert browser.title == "Whose record?"
        await browser.send("/auth/approve", name="farelle")
        request = dict(browser.forms()[0]["fields"])["request"]
        await browser.get("/auth/approve", params={"request": request, "patient": "p1"})
        await browser.send("/auth/approve", ALLOW, drop=("openid",))
        token = await granted(app, browser)
        assert (token["patient"], token["scope"]) == ("p1", "launch/patient patient/*.rs")


async def test_an_app_that_is_not_registered_is_told_to_the_person_in_words(app, browser):
    for changes in ({"client_id": "nobody"}, {"redirect_uri": "https://evil.example.org/"}):
        browser.http.headers["Accept"] = "text/html"
        browser.answer = await app.authorize(**changes)
        assert browser.answer.status_code == 400
        assert browser.title == "This is not possible"
        assert "Nothing was opened" in browser.text
        assert "location" not in browser.answer.headers
