"""Public Python clients, unchanged, with tokens of a running server."""

from __future__ import annotations

import base64
import json
import secrets
import time

import httpx
import pytest
from fhirclient.auth import FHIROAuth2Auth
from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.cli.command import run, running

PERSON = "yanis-delorvel"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(folder):
    with running("demo", "--port", "0", "--data", folder) as server:
        server.wait_for("Ctrl-C")
        yield server


@pytest.fixture(scope="module")
def token(demo) -> str:
    return demo.wait_for(r"^export TOKEN=(\S+)")[1]


@pytest.fixture(scope="module")
def backend(demo, folder) -> str:
    """The token of a backend service that signs with ES384."""
    key = ECKey.generate_key("P-384", {"kid": "one", "use": "sig", "alg": "ES384"})
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    made = run("clients", "add", "nightly", "--backend", "--jwks", jwks,
               "--scope", "system/Observation.rs", data=str(folder))  # fmt: skip
    assert made.returncode == 0, made.stderr
    found = httpx.get(f"{demo.base}/.well-known/smart-configuration").json()
    assert "ES384" in found["token_endpoint_auth_signing_alg_values_supported"]
    claims = {
        **{"iss": "nightly", "sub": "nightly", "aud": found["token_endpoint"]},
        **{"exp": int(time.time()) + 60, "jti": secrets.token_urlsafe()},
    }
    header = {"alg": "ES384", "kid": "one", "typ": "JWT"}
    form = {
        "grant_type": "client_credentials",
        "scope": "system/Observation.rs",
        "client_assertion_type": ASSERTION,
        "client_assertion": jwt.encode(header, claims, key, algorithms=["ES384"]),
    }
    answer = httpx.post(found["token_endpoint"], data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def test_fhirclient_reads_and_searches(demo, token):
    smart = FHIRClient(settings={"app_id": "demo-app", "api_base": demo.base})
    smart.server.auth = FHIROAuth2Auth({"access_token": token})
    assert Patient.read(PERSON, smart.server).name[0].family == "Delorvel"
    search = Observation.where({"patient": PERSON, "code": "4548-4"})
    found = list(search.perform_resources_iter(smart.server))
    assert len(found) == 41
    assert {observation.code.coding[0].code for observation in found} == {"4548-4"}


def test_fhirpy_reads_searches_and_writes(demo, token):
    client = SyncFHIRClient(demo.base, authorization=f"Bearer {token}")
    patient = client.reference("Patient", PERSON).to_resource()
    assert patient["name"][0]["family"] == "Delorvel"
    found = client.resources("Observation").search(patient=PERSON, code="4548-4").fetch_all()
    assert len(found) == 41
    written = client.resource(
        "Communication", status="completed", subject={"reference": f"Patient/{PERSON}"}
    )
    written.save()
    assert client.reference("Communication", written["id"]).to_resource()["status"] == "completed"


async def test_fhirpy_pages_without_blocking(demo, token):
    client = AsyncFHIRClient(demo.base, authorization=f"Bearer {token}")
    found = await client.resources("Encounter").search(patient=PERSON).limit(10).fetch_all()
    assert len(found) == 41


def test_a_backend_service_uses_its_token(demo, backend):
    head = json.loads(base64.urlsafe_b64decode(backend.split(".")[0] + "=="))
    assert head["typ"] == "at+jwt"
    client = SyncFHIRClient(demo.base, authorization=f"Bearer {backend}")
    assert len(client.resources("Observation").search(patient=PERSON, code="4548-4").fetch()) == 41
    answer = httpx.get(
        f"{demo.base}/Patient/{PERSON}", headers={"Authorization": f"Bearer {backend}"}
    )
    assert answer.status_code == 403
