"""`fhir-server demo`: a server with made-up people in it, and requests to try."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from fhir_server.access.grant import Grant
from fhir_server.app import open_services
from fhir_server.cli import serving
from fhir_server.cli.console import Failed, configured, out
from fhir_server.cli.database import owned
from fhir_server.cli.load import into_store
from fhir_server.cli.load_report import tell
from fhir_server.demo import accounts, bundles, sample
from fhir_server.fhir.codec import encode
from fhir_server.loading.files import File
from fhir_server.settings import Settings
from fhir_server.smart.launch import LaunchContext
from fhir_server.smart.people import accounts_of
from fhir_server.smart.server import AuthorizationServer
from fhir_server.store.connect import open_store
from fhir_server.store.opaque import new_token
from fhir_server.store.tokens import Family

_REQUESTS = (
    ("who is there", "{base}/Patient?_elements=name,birthDate&_pretty=true"),
    ("a long-term blood sugar, newest first",
     "{base}/Observation?patient={person}&code=http://loinc.org|4548-4&_sort=-date&_count=5"),
    ("what he takes, with who prescribed it",
     "{base}/MedicationRequest?patient={person}&status=active&_include=MedicationRequest:requester"),
    ("his whole record, in pages", "{base}/Patient/{person}/$everything?_count=20"),
    ("the appointments ahead", "{base}/Appointment?date=ge2026-11-02&_sort=date"),
)  # fmt: skip
_CURL = """curl -s -H "Authorization: Bearer $TOKEN" """
_WRITE = """-H 'Content-Type: application/fhir+json' '{base}/Communication' \\
    -d '{{"resourceType":"Communication","status":"completed",\
"subject":{{"reference":"Patient/{person}"}},"payload":[{{"contentString":"Bonjour"}}]}}'"""
_HOUR = 3600


def demo(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8080,
    data: Annotated[Path, typer.Option(help="Folder of the embedded database.")] = Path(
        "data/demo"
    ),
) -> None:
    """Serve twelve made-up people with ten years of care, accounts and a sample app, until Ctrl-C.

    The people are loaded at the first start; what you write stays in the data folder, and removing
    the folder begins anew.
    """
    settings = configured(
        host="127.0.0.1",
        port=port,
        data=data,
        access="closed",
        update_create=True,
        base_url="",
        token_seconds=_HOUR,
        launch_seconds=_HOUR,
    )
    if settings.mongodb_uri:
        raise Failed("The demo keeps to its own database: unset FHIR_MONGODB_URI to run it")
    with serving.bound(settings) as (at, listener):
        # Passkeys want a host name, and localhost is the one that needs no certificate.
        named = at.model_copy(update={"base_url": f"http://localhost:{at.port}/fhir"})
        with owned(named) as reached, sample.served(reached.base) as app:
            uvloop.run(_fill(reached))
            token, launch = uvloop.run(_prepare(reached))
            shown = {"base": reached.base, "root": reached.root, "app": app, "launch": launch}
            serving.run(reached, listener, lambda: _announce({**shown, "token": token}))


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
        path = Path(scratch, "representative.json")
        path.write_bytes(encode(accounts.representative()))
        files.append(File("representative", ".json", path))
        report = await into_store(settings, files, jobs=1)
    tell(report)
    if report.failed or report.stopped:
        raise Failed("The made-up people could not be loaded")


async def _prepare(settings: Settings) -> tuple[str, str]:
    """Accounts and the app are there afterwards; a doctor's access token, and an EHR launch."""
    async with open_store(settings.mongodb_uri, settings.mongodb_database) as store:
        people = accounts_of(store.database)
        server = AuthorizationServer(settings, store)
        for one in accounts.ACCOUNTS:
            if await people.named(one.name) is None:
                await people.add(
                    one.name, one.title, one.fhir_user, one.patients, password=accounts.PASSWORD
                )
        if await server.clients.find(accounts.APP) is None:
            await server.clients.register(
                accounts.app_metadata(), source="command", client_id=accounts.APP
            )
        doctor = await people.named(accounts.PRACTITIONER)
        if doctor is None:
            raise Failed(f"Somebody removed {accounts.PRACTITIONER}: remove the data folder")
        now = server.now()
        family = Family(
            id=new_token(),
            client_id=accounts.APP,
            subject=doctor.id,
            scope="user/*.cruds",
            created=now,
            until=now + _HOUR,
            fhir_user=doctor.fhir_user,
        )
        await server.tokens.add_family(family)
        token, _ = await server.maker.access_token(family, family.scope)
        launch = new_token()
        context = LaunchContext(accounts.APP, patient=accounts.PATIENT)
        await server.requests.add_launch(launch, context.document(), now + _HOUR)
        return token, launch


def _announce(shown: dict[str, str]) -> None:
    names = {**shown, "person": accounts.PATIENT}
    say = partial(out.print, markup=False)
    say("FHIR R4 server at {base}".format(**names))
    say("\nSign in at {root}/account with the password".format(**names), accounts.PASSWORD)
    for one in accounts.ACCOUNTS:
        say(f"  {one.name:8} {one.shows}")
    say("\nA sample app, which asks one of them:")
    say("  {app}".format(**names))
    say("The same, as the doctor's own software would open it (once):")
    say("  {app}?iss={base}&launch={launch}".format(**names))
    say("\nTry, in another terminal, with the doctor's token, good for an hour:\n")
    say("export TOKEN={token}\n".format(**names))
    for title, url in _REQUESTS:
        say(f"# {title}\n{_CURL}'{url.format(**names)}'\n")
    say(f"# write a message\n{_CURL}{_WRITE.format(**names)}\n")
    say("# what the server can do, without a token")
    say("curl -s '{base}/metadata'\n".format(**names))
    say("Ctrl-C stops the server and its database.")
