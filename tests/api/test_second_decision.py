"""Where consents will join: a denial beside the scopes, in the filter and once more per resource.

The stand-in denies all that carries one security label, on every path. `Forgetful` leaves the
denial out of the filter: what still comes out is what the second decision would miss.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fhir_server.access.grant import NOTHING, Action, Filter, Grant, Part, Rule
from fhir_server.app import open_services
from fhir_server.dispatch import dispatch
from fhir_server.errors import FhirError
from fhir_server.exchange import FhirRequest
from fhir_server.search import chain, direction
from fhir_server.services import Services
from fhir_server.settings import Settings
from tests.callers import observation

LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
EVERYTHING = (Rule(frozenset(Action)),)
DENIED = frozenset((f"_security={LABEL['system']}|R",))
CONSENTS = Part("consents", EVERYTHING, (Rule(frozenset(Action), None, (DENIED,)),))


class Forgetful(Grant):
    """A grant whose filter lets everything through: only the decision is left."""

    def filter(self, type_: str, action: Action) -> Filter:
        return {"_id": {"$exists": True}}


GRANTS = {
    "both": Grant.open().narrowed(CONSENTS),
    "decision alone": Forgetful("scopes", "", EVERYTHING, (CONSENTS,)),
}


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with open_services(settings) as opened:
        for resource in (
            {"resourceType": "Patient", "id": "a"},
            observation("shown", "a", hasMember=[{"reference": "Observation/hidden"}]),
            observation("hidden", "a", meta={"security": [LABEL]}),
            observation(
                *("hidden", "a"),
                meta={"security": [LABEL]},
                derivedFrom=[{"reference": "Observation/shown"}],
            ),
            observation("gone", "a", meta={"security": [LABEL]}),
        ):
            await ask("PUT", _place(resource), Grant.open(), opened, resource)
        await ask("DELETE", "Observation/gone", Grant.open(), opened)
        yield opened


def _place(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


async def ask(
    method: str, url: str, grant: Grant, services: Services, body: Any = None
) -> tuple[int, str]:
    """Status and body of an answer, also where it comes as a stream or as an error."""
    path, _, query = url.partition("?")
    pairs = tuple((n, v) for n, _, v in (p.partition("=") for p in query.split("&") if p))
    request = FhirRequest(
        *(method, path, grant, services.settings.base, pairs),
        headers={"content-type": "application/fhir+json"},
        body=json.dumps(body).encode() if body is not None else b"",
    )
    try:
        answer = await dispatch(request, services)
    except FhirError as error:
        return error.status, str(error)
    content = answer.body
    if answer.stream is not None:
        content = b"".join([part async for part in answer.stream])
    return answer.status, content.decode()


READS = (
    *("Observation/hidden", "Observation/hidden/_history", "Observation/hidden/_history/1"),
    *("Observation/gone", "Observation/gone/_history", "Observation/_history", "_history"),
    *("Observation", "Observation?_sort=code", "Observation?_elements=status", "Patient/a/*"),
    *("Observation?_security=R", "Patient?_id=a&_revinclude=Observation:subject", "?_type=Patient"),
    *("Observation?_id=shown&_include=Observation:has-member", "Patient/a/$everything"),
    "Observation?_id=shown&_revinclude=Observation:derived-from",
    "Observation/$lastn?patient=a&category=laboratory",
    "$graphql?query={ObservationList{id}}",
    "Observation/hidden/$graphql?query={id}",
    "Observation/shown/$graphql?query={hasMember{resource{...on Observation{id}}}}",
    "Observation/hidden/$meta",
    "Observation/hidden/$validate",
)


@pytest.mark.parametrize("name", GRANTS)
@pytest.mark.parametrize("url", READS)
async def test_what_is_denied_is_not_there(url: str, name: str, services: Services) -> None:
    status, text = await ask("GET", url, GRANTS[name], services)
    if status == 200:
        document = json.loads(text)
        ids = [
            entry["resource"]["id"] for entry in document.get("entry", ()) if "resource" in entry
        ]
        assert not {"hidden", "gone"} & set(ids)
        data = json.dumps(document.get("data"))
        assert '"hidden"' not in data
    else:
        assert status in (404, 422 if "graphql" in url else 404), (status, text)
    if url.startswith(("Observation/hidden", "Observation/gone")) and "graphql" not in url:
        assert status == 404


TOTALS = {
    "Observation?_summary=count": 1,
    "Observation?_total=accurate&_count=1": 1,
    "Observation/_history": 1,
    "Observation?_security=R&_summary=count": 0,
    "Patient?_has:Observation:patient:_security=R&_summary=count": 0,
    "Observation?has-member._security=R&_summary=count": 0,
    "Observation?_id=shown&has-member._security=R&_summary=count": 0,
    "Observation?_id=shown&has-member.status=final&_summary=count": 0,
    "Observation?_id=hidden,shown&derived-from.status=final&_summary=count": 0,
    "Observation?_id=hidden,shown&subject:Patient._id=a&_summary=count": 1,
    "Patient?_id=a&_has:Observation:patient:derived-from:missing=false&_summary=count": 0,
}


@pytest.mark.parametrize("many", [0, chain.MAX_CHAINED], ids=["from near", "from far"])
@pytest.mark.parametrize("url", TOTALS)
async def test_totals_and_chains_count_what_is_shown(
    url: str, many: int, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direction, "FEW", many)
    monkeypatch.setattr(direction, "MANY", many)
    _, text = await ask("GET", url, GRANTS["both"], services)
    assert json.loads(text)["total"] == TOTALS[url]


@pytest.mark.parametrize("name", GRANTS)
async def test_nothing_denied_is_written_or_made(name: str, services: Services) -> None:
    grant = GRANTS[name]
    labelled = observation("shown", "a", meta={"security": [LABEL]})
    assert (await ask("PUT", "Observation/shown", grant, services, labelled))[0] == 403
    assert (await ask("POST", "Observation", grant, services, labelled))[0] == 403
    assert (await ask("PUT", "Observation/hidden", grant, services, observation("hidden", "a")))[
        0
    ] in (405, 409)
    assert (await ask("DELETE", "Observation/hidden", grant, services))[0] == 204
    assert (await ask("GET", "Observation/hidden", Grant.open(), services))[0] == 200


def test_the_filter_holds_the_denial_too() -> None:
    assert GRANTS["both"].filter("Observation", Action.READ) == {
        "$nor": [{"k": {"$in": sorted(DENIED)}}]
    }
    assert GRANTS["both"].narrowed(Part("none")).filter("Observation", Action.READ) is NOTHING


@pytest.mark.parametrize("name", ["rules", "both"])
async def test_selections_select_what_is_shown(name: str, services: Services) -> None:
    grant = {"rules": Grant.open(), **GRANTS}[name]
    selections, every = services.store.selections, {"k": "*"}
    derived = {"k": "derived-from=Observation/shown"}
    ids = await selections.ids("Observation", every, 9, grant, None)
    keys = await selections.keys("Observation", every, "derived-from=", 9, grant, None)
    patients = await selections.patients("Observation", derived, 9, grant, None)
    counted = await services.store.count("Observation", every, grant)
    found = [sorted(row["_id"] for row in rows.documents) for rows in (ids, keys, patients)]
    hidden = [["hidden", "shown"], ["derived-from=Observation/shown"], ["a"]]
    assert found == (hidden if name == "rules" else [["shown"], [], []])
    assert counted == len(found[0])
