"""The authorization endpoint: S-12 to S-18 and S-68 of the checklist, and what a person decides."""

from __future__ import annotations

import pytest

from fhir_server.settings import Settings
from tests.api.smart import BASE, CALLBACK, ROOT, App, parameters, sent_to


@pytest.fixture
def app(http):
    return App(http)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_s12_s13_s16_a_code_comes_with_state_and_issuer(app, method):
    answer = await app.authorize(method)
    assert answer.status_code == 303
    where, given = sent_to(answer.headers["location"])
    assert where == CALLBACK
    assert given["state"] == ["st"]
    assert given["iss"] == [ROOT]
    assert len(given["code"][0]) >= 40


async def test_a_query_of_the_redirect_uri_is_kept(app):
    answer = await app.authorize(redirect_uri="https://app.example.org/other?with=query")
    given = parameters(answer.headers["location"])
    assert given["with"] == "query"
    assert "code" in given


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "backend"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example.org/callback"},
        {"redirect_uri": CALLBACK + "/more"},
        {"redirect_uri": CALLBACK + "?a=b"},
        {"redirect_uri": CALLBACK + "#fragment"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": CALLBACK.replace("callback", "%63allback")},
        {"redirect_uri": "https://app.example.org:443/callback"},
        {"redirect_uri": "https://app.example.org@evil.example.org/callback"},
        {"redirect_uri": [CALLBACK, "https://evil.example.org/"]},
        {"client_id": ["public", "stranger"]},
        {"redirect_uri": "javascript:alert(1)"},
    ],
)
async def test_s15_the_browser_stays_where_client_or_redirect_uri_is_in_doubt(app, changes):
    answer = await app.authorize(**changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_s15_a_person_is_told_so_on_a_page_that_runs_nothing(http, language):
    headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": language}
    wrong = {"client_id": "public", "redirect_uri": "https://evil.example.org/"}
    answer = await http.get(ROOT + "/auth/authorize", params=wrong, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-language"] == language
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "redirect_uri" in answer.text
    assert "https://evil.example.org" not in answer.text


REFUSED = [
    ("s13", {"response_type": "token"}, "unsupported_response_type"),
    ("s13", {"response_type": None}, "unsupported_response_type"),
    ("s13", {"response_mode": "fragment"}, "invalid_request"),
    ("s14", {"aud": None}, "invalid_request"),
    ("s14", {"aud": "https://other.example.org/fhir"}, "invalid_request"),
    ("s14", {"aud": BASE + "//"}, "invalid_request"),
    ("s14", {"resource": "https://other.example.org/fhir"}, "invalid_request"),
    ("s17", {"code_challenge": None}, "invalid_request"),
    ("s17", {"code_challenge_method": None}, "invalid_request"),
    ("s17", {"code_challenge_method": "plain"}, "invalid_request"),
    ("s17", {"code_challenge": "short"}, "invalid_request"),
    ("s37", {"scope": None}, "invalid_scope"),
    ("s37", {"scope": "everything"}, "invalid_scope"),
    ("s29", {"scope": "patient/Observation.sr"}, "invalid_scope"),
    ("s59", {"scope": "system/*.rs"}, "invalid_scope"),
    ("s41", {"scope": "launch patient/*.rs", "launch": "unknown"}, "invalid_request"),
    ("oidc", {"request": "e30.e30."}, "request_not_supported"),
    ("oidc", {"request_uri": "https://evil.example.org/"}, "request_uri_not_supported"),
    ("oidc", {"prompt": "none login"}, "invalid_request"),
    ("oidc", {"max_age": "-1"}, "invalid_request"),
    ("rfc6749", {"scope": ["openid", "patient/*.rs"]}, "invalid_request"),
]


@pytest.mark.parametrize(("item", "changes", "error"), REFUSED)
async def test_s16_other_errors_are_told_to_the_app(app, item, changes, error):
    answer = await app.authorize(**changes)
    assert answer.status_code == 303
    where, given = sent_to(answer.headers["location"])
    assert where == CALLBACK
    assert given["error"] == [error]
    assert given["state"] == ["st"]
    assert given["iss"] == [ROOT]
    assert given["error_description"]
    assert "code" not in given


@pytest.mark.parametrize("state", ["a b+c&d=e#f%20", "é€\u0000\n", "x" * 1000, '"<>\\'])
@pytest.mark.parametrize("changes", [{}, {"aud": None}])
async def test_s16_the_state_comes_back_to_the_letter(app, state, changes):
    answer = await app.authorize(state=state, **changes)
    location = answer.headers["location"]
    assert parameters(location)["state"] == state
    assert "+" not in location


@pytest.mark.parametrize("aud", [BASE, BASE + "/"])
async def test_s14_the_base_is_the_audience_with_or_without_a_slash(app, aud):
    assert await app.code(aud=aud)


async def test_resource_is_a_synonym_of_aud(app):
    assert await app.code(aud=None, resource=BASE)


@pytest.mark.parametrize(
    ("uri", "good"),
    [
        ("http://127.0.0.1/callback", True),
        ("http://127.0.0.1:51234/callback", True),
        ("http://127.0.0.1:51234/other", False),
        ("http://localhost:51234/callback", False),
        ("http://127.0.0.2:51234/callback", False),
        ("https://127.0.0.1:51234/callback", False),
        ("http://127.0.0.1:51234/callback?a=b", False),
        ("http://127.0.0.1:x/callback", False),
        ("org.example.app:/callback", True),
    ],
)
async def test_rfc8252_a_loopback_uri_without_port_stands_for_all_ports(http, uri, good):
    answer = await App(http, "native", uri).authorize()
    assert answer.status_code == (303 if good else 400)


async def test_s68_the_redirect_is_303_and_not_stored(app):
    answer = await app.authorize("POST")
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_s37_unknown_scopes_are_dropped_and_never_granted(app):
    tokens = await app.tokens(scope="patient/*.rs patient/Nothing.rs everything launch/patient")
    assert set(tokens["scope"].split()) == {"patient/*.rs", "launch/patient"}


async def test_s28_a_v1_scope_comes_back_as_it_was_asked_for(app):
    tokens = await app.tokens(scope="patient/Observation.read patient/Patient.read")
    assert set(tokens["scope"].split()) == {"patient/Observation.read", "patient/Patient.read"}


async def test_a_client_gets_no_more_than_it_is_registered_for(http):
    app = App(http, "symmetric")
    tokens = await app.tokens(scope="patient/*.cruds user/*.rs openid launch/patient")
    assert set(tokens["scope"].split()) == {"patient/*.rs", "openid", "launch/patient"}


class TestDeny:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "test_sign_in": "deny"}

    async def test_s54_the_app_is_told_that_the_person_says_no(self, app):
        given = parameters((await app.authorize()).headers["location"])
        assert given["error"] == "access_denied"
        assert given["state"] == "st"


class TestAsk:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "test_sign_in": "off"}

    async def test_the_browser_goes_to_the_page_that_asks(self, app):
        where, given = sent_to((await app.authorize()).headers["location"])
        assert where == ROOT + "/auth/approve"
        assert len(given["request"][0]) >= 40


class TestNoPatient:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "test_patient": ""}

    async def test_s38_no_patient_scope_is_granted_without_a_patient(self, app):
        tokens = await app.tokens(scope="patient/*.rs launch/patient user/*.rs openid")
        assert set(tokens["scope"].split()) == {"user/*.rs", "openid"}
        assert "patient" not in tokens

    async def test_nothing_left_is_no_code(self, app):
        given = parameters((await app.authorize(scope="patient/*.rs")).headers["location"])
        assert given["error"] == "access_denied"


class TestFewer:
    @pytest.fixture
    def smart_settings(self, smart_settings):
        return {**smart_settings, "test_scope": "patient/Observation.rs openid"}

    async def test_s37_the_answer_says_what_was_really_granted(self, app):
        tokens = await app.tokens(scope="patient/*.rs openid fhirUser")
        assert set(tokens["scope"].split()) == {"patient/Observation.rs", "openid"}


@pytest.mark.parametrize(
    "place",
    [{"host": "0.0.0.0"}, {"base_url": "https://ehr.example.org/fhir"}, {"host": "10.0.0.1"}],
)
@pytest.mark.parametrize(
    "mode", [{"test_sign_in": m} for m in ("approve", "ask", "deny")] + [{"test_http": True}]
)
def test_part_a_test_modes_are_refused_off_loopback(place, mode):
    assert Settings(host="127.0.0.1", **mode)
    with pytest.raises(ValueError, match="tests on this machine"):
        Settings(**place, **mode)


def test_part_a_nothing_of_test_mode_is_on_by_default():
    settings = Settings()
    assert settings.test_sign_in == "off"
    assert settings.test_http is False
    assert settings.registration == "off"
    assert settings.clients_file == ""
    assert settings.access == "closed"
