"""The public `fhirclient` library of npm, unchanged: launches, reads, writes, refreshes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page

from fhir_server.demo.accounts import APP
from tests.browser.conftest import allow, sign_in

SCOPE = "openid fhirUser patient/*.cruds offline_access"
LAUNCH = """<!doctype html><script src="/fhir-client.js"></script><script>
const standalone = !new URLSearchParams(location.search).has("launch");
FHIR.oauth2.authorize({
  clientId: "APP", redirectUri: "/", scope: "SCOPE " + (standalone ? "launch/patient" : "launch"),
  ...(standalone ? { iss: new URLSearchParams(location.search).get("fhirServiceUrl") } : {}),
});
</script>"""
READY = """<!doctype html><script src="/fhir-client.js"></script><script>
FHIR.oauth2.ready().then(async (client) => {
  const patient = await client.patient.read();
  const found = await client.patient.request("Observation?code=http://loinc.org|4548-4&_count=3");
  const written = await client.create({
    resourceType: "Communication", status: "completed",
    subject: { reference: `Patient/${patient.id}` }, payload: [{ contentString: "Bonjour" }],
  });
  const before = client.state.tokenResponse;
  await client.refresh();
  const after = client.state.tokenResponse;
  return {
    patient: patient.id, user: client.getFhirUser(), type: client.getUserType(),
    codes: found.entry.map((entry) => entry.resource.code.coding[0].code),
    written: (await client.request(`Communication/${written.id}`)).payload[0].contentString,
    renewed: before.access_token !== after.access_token, scope: after.scope,
  };
}).then((told) => { window.told = told; }, (error) => { window.told = { error: String(error) }; });
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def app(package, tmp_path_factory) -> Iterator[str]:
    """The address of an app that is nothing but the library."""
    folder = tmp_path_factory.mktemp("app")
    library = package("fhirclient@2.6.3") / "build" / "fhir-client.js"
    (folder / "fhir-client.js").write_bytes(library.read_bytes())
    (folder / "launch.html").write_text(LAUNCH.replace("APP", APP).replace("SCOPE", SCOPE))
    (folder / "index.html").write_text(READY)
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def told(page: Page) -> dict:
    page.wait_for_function("window.told")
    return json.loads(page.evaluate("JSON.stringify(window.told)"))


def test_standalone_launch_reads_writes_and_refreshes(demo, page, app):
    page.goto(f"{app}/launch.html?fhirServiceUrl={demo.base}")
    sign_in(page, "yanis")
    allow(page)
    answer = told(page)
    assert "error" not in answer, answer
    assert answer.pop("scope").split() == [*SCOPE.split()[:2], "offline_access", "launch/patient",
                                           "patient/*.cruds"]  # fmt: skip
    assert answer == {
        "patient": "yanis-delorvel",
        "user": "Patient/yanis-delorvel",
        "type": "Patient",
        "codes": ["4548-4"] * 3,
        "written": "Bonjour",
        "renewed": True,
    }


def test_ehr_launch_reads_writes_and_refreshes(demo, page, app, launch):
    page.goto(f"{app}/launch.html?iss={demo.base}&launch={launch}")
    sign_in(page, "maravel")
    allow(page)
    answer = told(page)
    assert "error" not in answer, answer
    assert (answer["patient"], answer["type"]) == ("yanis-delorvel", "Practitioner")
    assert answer["renewed"]
    assert answer["written"] == "Bonjour"
