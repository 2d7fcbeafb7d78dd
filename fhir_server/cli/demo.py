"""`fhir-server demo`: a server with made-up people in it, and requests to try."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from fhir_server.access.grant import Grant
from fhir_server.app import open_services
from fhir_server.cli import serving
from fhir_server.cli.console import Failed, configured, out, warn
from fhir_server.cli.database import owned
from fhir_server.cli.load import into_store, tell
from fhir_server.cli.serve import OPEN
from fhir_server.demo import bundles
from fhir_server.fhir.codec import encode
from fhir_server.loading.files import File
from fhir_server.settings import Settings

_PERSON = "yanis-delorvel"
_REQUESTS = (
    ("who is there", "{base}/Patient?_elements=name,birthDate&_pretty=true"),
    ("a long-term blood sugar, newest first",
     "{base}/Observation?patient={person}&code=http://loinc.org|4548-4&_sort=-date&_count=5"),
    ("what he takes, with who prescribed it",
     "{base}/MedicationRequest?patient={person}&status=active&_include=MedicationRequest:requester"),
    ("his whole record, in pages", "{base}/Patient/{person}/$everything?_count=20"),
    ("the appointments ahead", "{base}/Appointment?date=ge2026-11-02&_sort=date"),
    ("what the server can do", "{base}/metadata"),
)  # fmt: skip
_WRITE = """curl -s -H 'Content-Type: application/fhir+json' '{base}/Communication' \\
    -d '{{"resourceType":"Communication","status":"completed",\
"subject":{{"reference":"Patient/{person}"}},"payload":[{{"contentString":"Bonjour"}}]}}'"""


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    data: Annotated[Path, typer.Option(help="Folder of the embedded database.")] = Path(
        "data/demo"
    ),
) -> None:
    """Serve twelve made-up people with ten years of care, open to this machine, until Ctrl-C.

    The people are loaded at the first start; what you write stays in the data folder, and removing
    the folder begins anew.
    """
    settings = configured(
        host="127.0.0.1", port=port, data=data, access="open", update_create=True, base_url=""
    )
    if settings.mongodb_uri:
        raise Failed("The demo keeps to its own database: unset FHIR_MONGODB_URI to run it")
    with serving.bound(settings) as (at, listener), owned(at) as reached:
        uvloop.run(_fill(reached))
        warn(OPEN)
        serving.run(reached, listener, lambda: _announce(reached))


async def _fill(settings: Settings) -> None:
    people = bundles()
    last = list(people)[-1]
    async with open_services(settings) as services:
        if await services.store.current("Patient", last, Grant.system("demo: is it filled?")):
            return
    with tempfile.TemporaryDirectory(prefix="fhir-demo-") as scratch:
        files = []
        for name, bundle in people.items():
            path = Path(scratch, f"{name}.json")
            path.write_bytes(encode(bundle))
            files.append(File(name, ".json", path))
        report = await into_store(settings, files, jobs=1)
    tell(report)
    if report.failures:
        raise Failed("The made-up people could not be loaded")


def _announce(settings: Settings) -> None:
    names = {"base": settings.base, "person": _PERSON}
    out.print(f"FHIR R4 server at {settings.base}", markup=False)
    out.print("Try, in another terminal:\n")
    for title, url in _REQUESTS:
        out.print(f"# {title}\ncurl -s '{url.format(**names)}'\n", markup=False)
    out.print(f"# write a message\n{_WRITE.format(**names)}\n", markup=False)
    out.print("Ctrl-C stops the server and its database.")
