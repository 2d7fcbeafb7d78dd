"""EHR launch: S-24, S-25, S-41 and S-42 of the checklist."""

from __future__ import annotations

import pytest

from tests.api.smart import BASE, ROOT, App, assert_error, basic, bearer, parameters, sent_to
from tests.stored import OPEN, version

SCOPE = "launch patient/*.rs openid fhirUser offline_access"
LAUNCH = ROOT + "/auth/launch"
PATIENT = '{"resourceType":"Patient","id":"%s"}'
ENCOUNTER = (
    '{"resourceType":"Encounter","id":"%s","status":"finished","class":{"code":"AMB"},'
    '"subject":{"reference":"Patient/%s"}}'
)


@pytest.fixture
async def http(http, store):
    """The server with two patients and an encounter of each."""
    await store.collections.ensure(["Patient", "Encounter"])
    for id_ in ("p1", "p2"):
        raw = (ENCOUNTER % (f"e-{id_}", id_)).encode()
        for new in (
            version(id_, type_="Patient", raw=(PATIENT % id_).encode()),
            version(f"e-{id_}", type_="Encounter", raw=raw),
        ):
            await store.insert([new], OPEN)
    return http


@pytest.fixture
def app(http):
    return App(http, scope=SCOPE)


async def announce(http, headers=None, **announced):
    body = {"client_id": "public", **announced}
    return await http.post(LAUNCH, json=body, headers=headers or basic("ehr"))


async def test_s41_an_ehr_gets_a_launch_and_where_to_open_the_app(http):
    answer = await announce(http, patient="p1")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["iss"] == BASE
    where, given = sent_to(body["launch_url"])
    assert where == "https://app.example.org/launch"
    assert given == {"iss": [BASE], "launch": [body["launch"]]}


async def test_s24_the_context_comes_with_the_tokens_and_again_with_a_refresh(app, http):
    context = {
        "patient": "p2",
        "encounter": "e-p2",
        "fhirContext": [{"reference": "Task/1", "role": "https://example.org/role"}],
        "need_patient_banner": False,
        "intent": "reconcile-medications",
        "tenant": "clinic-7",
    }
    launch = (await announce(http, **context)).json()["launch"]
    tokens = await app.tokens(launch=launch)
    for answer in (tokens, (await app.refresh(tokens["refresh_token"])).json()):
        for name, value in context.items():
            assert answer[name] == value
        assert answer["smart_style_url"]
    assert "launch" in tokens["scope"].split()


async def test_s41_a_launch_is_good_once(app, http):
    launch = (await announce(http, patient="p1")).json()["launch"]
    assert await app.code(launch=launch)
    given = parameters((await app.authorize(launch=launch)).headers["location"])
    assert given["error"] == "invalid_request"


async def test_s41_a_launch_is_of_one_app(http):
    launch = (await announce(http, patient="p1")).json()["launch"]
    thief = App(http, "stranger", "https://stranger.example.org/callback", SCOPE)
    given = parameters((await thief.authorize(launch=launch)).headers["location"])
    assert given["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("user", "error"),
    [("Practitioner/1", None), ("Practitioner/2", "access_denied"), ("test-user", None)],
)
async def test_s41_a_launch_is_of_one_person(app, http, user, error):
    launch = (await announce(http, patient="p1", user=user)).json()["launch"]
    given = parameters((await app.authorize(launch=launch)).headers["location"])
    assert given.get("error") == error


async def test_s41_a_standalone_app_ignores_a_launch_that_it_does_not_ask_for(app, http):
    launch = (await announce(http, patient="p2")).json()["launch"]
    tokens = await app.tokens(scope="launch/patient patient/*.rs", launch=launch)
    assert tokens["patient"] == "p1"


async def test_a_launch_without_a_patient_leaves_the_choice_open(app, http):
    launch = (await announce(http, intent="search")).json()["launch"]
    tokens = await app.tokens(launch=launch)
    assert tokens["patient"] == "p1"
    assert tokens["intent"] == "search"


async def test_the_launch_scope_without_a_launch_is_dropped(app):
    assert "launch" not in (await app.tokens())["scope"].split()


async def test_s42_an_encounter_belongs_to_its_patient(http):
    assert (await announce(http, patient="p1", encounter="e-p1")).status_code == 201
    assert_error(await announce(http, patient="p1", encounter="e-p2"), "invalid_request")
    assert_error(await announce(http, patient="p1", encounter="none"), "invalid_request")
    assert_error(await announce(http, encounter="e-p1"), "invalid_request")
    assert_error(await announce(http, patient="none"), "invalid_request")


@pytest.mark.parametrize(
    "context",
    [
        [],
        [{}],
        [{"role": "x"}],
        [{"reference": "Task/1", "role": ""}],
        [{"reference": "Patient/p2"}],
        [{"reference": "Encounter/e-p2", "role": "launch"}],
        [{"reference": "https://elsewhere.example.org/Task/1"}],
        {"reference": "Task/1"},
    ],
)
async def test_s25_a_context_that_is_not_in_order_is_refused(http, context):
    assert_error(await announce(http, patient="p1", fhirContext=context), "invalid_request")


async def test_s25_a_second_patient_has_a_role_of_its_own(http):
    context = [{"reference": "Patient/p2", "role": "https://example.org/mother"}]
    assert (await announce(http, patient="p1", fhirContext=context)).status_code == 201


@pytest.mark.parametrize(
    "announced", [{"client_id": "nobody"}, {"client_id": "backend"}, {"unknown": 1}]
)
async def test_a_launch_is_for_a_registered_app(http, announced):
    assert_error(await announce(http, **announced), "invalid_request")


async def test_announcing_is_for_ehrs(app, http):
    assert_error(await announce(http, basic("symmetric")), "insufficient_scope", 403)
    assert_error(await announce(http, basic("ehr", "wrong")), "invalid_client", 401)
    assert_error(await announce(http, {"X-Nothing": "1"}), "invalid_client", 401)
    token = (await app.tokens())["access_token"]
    assert_error(await announce(http, bearer(token)), "insufficient_scope", 403)


async def test_the_token_of_an_ehr_binds_the_launch_to_its_person(app, http):
    ehr = App(http, "ehr", "https://ehr.example.org/callback")
    token = (await ehr.tokens())["access_token"]
    answer = await announce(http, bearer(token), patient="p1")
    assert await app.code(launch=answer.json()["launch"])
    other = await announce(http, bearer(token), patient="p1", user="somebody else")
    assert_error(other, "invalid_request")
