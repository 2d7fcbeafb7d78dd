"""A granular scope is granted where a search of the type answers it, and only there.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from __future__ import annotations

import pytest

from tests.api.smart import TOKEN, App, assert_error, assertion, claims_of, parameters

GOOD = "Observation.rs?category=laboratory"
NEVER = (
    "Observation.rs?no-such-parameter=x",
    "Observation.rs?value-quantity=much",
    "Observation.rs?_text=cough",
    "Observation.rs?date=ap2024-01-01",
    "Location.rs?near=1|2",
)


@pytest.mark.parametrize("never", NEVER)
async def test_what_will_never_be_answered_is_not_in_the_token(http, never):
    asked = f"launch/patient patient/{GOOD} patient/{never} offline_access"
    tokens = await App(http, scope=asked).tokens()
    granted = f"launch/patient offline_access patient/{GOOD}"
    assert set(tokens["scope"].split()) == set(granted.split())
    assert set(claims_of(tokens["access_token"])[1]["scope"].split()) == set(granted.split())


@pytest.mark.parametrize("never", NEVER)
async def test_where_nothing_else_is_asked_it_is_invalid_scope(http, never):
    answer = await App(http).authorize(scope=f"patient/{never}")
    assert parameters(answer.headers["location"])["error"] == "invalid_scope"


async def test_a_service_gets_what_can_be_answered_too(http):
    async def ask(scope):
        form = {"grant_type": "client_credentials", "scope": scope, **assertion("backend")}
        return await http.post(TOKEN, data=form)

    answer = await ask(f"system/{GOOD} system/{NEVER[0]}")
    assert (answer.status_code, answer.json()["scope"]) == (200, f"system/{GOOD}")
    assert_error(await ask(f"system/{NEVER[0]}"), "invalid_scope")
