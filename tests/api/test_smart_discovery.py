"""Discovery: S-01 to S-11, S-26, S-46, S-47, S-65, S-67 of the checklist."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from fhir_server.smart import endpoints as paths
from tests.api.smart import BASE, ROOT, App, claims_of

SETS = {  # the four capability sets: SMART App Launch 2.2, conformance
    "patient standalone": {"launch-standalone", "context-standalone-patient", "permission-patient"},
    "patient ehr": {"launch-ehr", "context-ehr-patient", "permission-patient"},
    "clinician standalone": {"launch-standalone", "permission-user", "permission-patient"},
    "clinician ehr": {
        *("launch-ehr", "context-ehr-patient", "context-ehr-encounter"),
        *("permission-user", "permission-patient"),
    },
}


@pytest.fixture
async def configuration(http):
    return (await http.get(".well-known/smart-configuration")).json()


@pytest.mark.parametrize("accept", ["application/json", "text/html", "application/fhir+xml", "x/y"])
async def test_s01_the_smart_configuration_is_json_whatever_is_accepted(http, accept):
    answer = await http.get(".well-known/smart-configuration", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


async def test_s02_every_url_is_absolute_and_answers(http, configuration):
    urls = {
        name: value for name, value in configuration.items() if name.endswith(("_endpoint", "uri"))
    }
    assert len(urls) >= 5
    for url in urls.values():
        assert urlsplit(url).netloc
        assert (await http.get(url)).status_code in (200, 303, 400, 405), url


async def test_s03_s04_s07_the_required_and_recommended_fields_are_there(configuration):
    for name in (
        *("token_endpoint", "grant_types_supported", "capabilities", "authorization_endpoint"),
        *("code_challenge_methods_supported", "scopes_supported", "response_types_supported"),
        *("introspection_endpoint", "revocation_endpoint"),
    ):
        assert configuration[name], name
    assert {"authorization_code", "client_credentials"} <= set(
        configuration["grant_types_supported"]
    )


async def test_s05_s256_is_the_only_challenge_method(configuration):
    assert configuration["code_challenge_methods_supported"] == ["S256"]


async def test_s06_issuer_and_keys_are_named(configuration):
    assert configuration["issuer"] == ROOT
    assert configuration["jwks_uri"] == ROOT + paths.JWKS


async def test_s08_private_key_jwt_is_offered_with_both_algorithms(configuration):
    assert "private_key_jwt" in configuration["token_endpoint_auth_methods_supported"]
    algorithms = configuration["token_endpoint_auth_signing_alg_values_supported"]
    assert set(algorithms) == {"RS384", "ES384"}


@pytest.mark.parametrize("needed", SETS.values(), ids=SETS)
async def test_s09_s10_the_capability_sets_are_complete(configuration, needed):
    claimed = set(configuration["capabilities"])
    assert needed <= claimed
    assert {"client-public", "client-confidential-symmetric"} & claimed
    assert "smart-app-state" not in claimed


@pytest.mark.parametrize("path", [".well-known/smart-configuration", "metadata", ROOT + paths.JWKS])
async def test_s11_any_origin_may_read_the_discovery(http, path):
    answer = await http.get(path, headers={"Origin": "https://app.example.org"})
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_s11_browsers_may_ask_for_tokens_and_read_refusals(http):
    origin = {"Origin": "https://app.example.org"}
    preflight = await http.options(
        ROOT + paths.TOKEN,
        headers={**origin, "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204
    allowed = preflight.headers["access-control-allow-headers"]
    assert "Authorization" in allowed
    assert "Content-Type" in allowed
    refused = await http.post(ROOT + paths.TOKEN, data={"grant_type": "x"}, headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_s26_the_style_is_json_for_everybody(http):
    tokens = await App(http).tokens()
    answer = await http.get(tokens["smart_style_url"], headers={"Origin": "https://a.example.org"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    style = answer.json()
    assert {name for name in style if name.startswith("color_")} == {
        *("color_background", "color_error", "color_highlight", "color_modal_backdrop"),
        *("color_success", "color_text"),
    }
    assert all(value.startswith("#") for name, value in style.items() if "color" in name)


@pytest.mark.parametrize("path", [paths.OPENID_CONFIGURATION, paths.OAUTH_CONFIGURATION])
async def test_s46_the_openid_configuration_lies_below_the_issuer(http, configuration, path):
    document = (await http.get(configuration["issuer"] + path)).json()
    assert document["issuer"] == configuration["issuer"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    for name in ("response_types_supported", "subject_types_supported", "userinfo_endpoint"):
        assert document[name]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert document[name] == configuration[name]


async def test_s47_the_keys_are_bare_and_public(http):
    keys = (await http.get(ROOT + paths.JWKS)).json()["keys"]
    rsa = [key for key in keys if key["kty"] == "RSA"]
    assert rsa
    for key in rsa:
        assert set(key) == {"kty", "n", "e", "kid", "alg", "use"}
    assert not any("d" in key for key in keys)
    header, _ = claims_of((await App(http).tokens())["id_token"])
    assert header["kid"] in {key["kid"] for key in rsa}


async def test_s67_the_capability_statement_says_the_same(http, configuration):
    statement = (await http.get("metadata")).json()
    security = statement["rest"][0]["security"]
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    uris = {e["url"]: e["valueUri"] for e in security["extension"][0]["extension"]}
    assert uris["authorize"] == configuration["authorization_endpoint"]
    assert uris["token"] == configuration["token_endpoint"]
    assert uris["introspect"] == configuration["introspection_endpoint"]
    assert uris["revoke"] == configuration["revocation_endpoint"]


class TestBrands:
    BUNDLE = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2026-11-21T20:00:00Z",
        "entry": [
            {
                "fullUrl": "https://ehr.example.org/Organization/1",
                "resource": {
                    "resourceType": "Organization",
                    "id": "1",
                    "name": "A house of health",
                    "identifier": [{"system": "urn:ietf:rfc:3986", "value": "https://example.org"}],
                    "endpoint": [{"reference": "Endpoint/1"}],
                },
            },
            {
                "fullUrl": "https://ehr.example.org/Endpoint/1",
                "resource": {"resourceType": "Endpoint", "id": "1", "address": BASE},
            },
        ],
    }

    @pytest.fixture
    def smart_settings(self, smart_settings, tmp_path):
        path = tmp_path / "brands.json"
        path.write_text(json.dumps(self.BUNDLE))
        return {**smart_settings, "brands_file": str(path)}

    async def test_s65_the_brands_are_published_with_an_etag(self, http, configuration):
        assert configuration["user_access_brand_identifier"]["value"] == "https://example.org"
        url = configuration["user_access_brand_bundle"]
        answer = await http.get(url, headers={"Origin": "https://a.example.org"})
        assert answer.json() == self.BUNDLE
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["etag"].startswith('W/"')
        again = await http.get(url, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        other = await http.get(url, headers={"If-None-Match": 'W/"other"'})
        assert other.status_code == 200
