"""Whose record a person may open, and the encounters in it, as the pages list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.dispatch import dispatch
from fhir_server.errors import FhirError
from fhir_server.exchange import FhirRequest, Pairs
from fhir_server.fhir.codec import decode
from fhir_server.services import Services
from fhir_server.smart.accounts import Account

MOST = 25
"""Patients, or encounters, on one page."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose: a logical id, what it is called, and what tells it from others."""

    id: str
    title: str
    detail: str = ""


async def patients(person: Account, services: Services, text: str = "") -> list[Choice]:
    """The patients whom the person may open; for practitioners those whose name matches a text."""
    if person.kind == "admin":
        return []
    if person.kind != "practitioner":
        query: Pairs = (("_id", ",".join(person.patients)),)
    elif text.strip():
        query = tuple(("name", word.replace(",", "")) for word in text.split()[:5])
    else:
        query = ()
    grant = Grant.system("sign-in: names of the patients whom this person may open")
    found = await _search("Patient", (*query, ("_sort", "family")), grant, services)
    return [_patient(resource) for resource in found if person.opens(resource["id"])]


async def patient(id_: str, person: Account, services: Services) -> Choice | None:
    """One patient; None where there is none or the person may not open the record."""
    if not person.opens(id_):
        return None
    grant = Grant.system("sign-in: name of a patient whom this person may open")
    found = await services.store.current("Patient", id_, grant)
    if found is None or found.deleted:
        return None
    return _patient(decode(found.raw, max_bytes=len(found.raw) + 1, max_depth=1000))


async def encounters(patient: str, services: Services) -> list[Choice]:
    """The patient's encounters, newest first. That the person may open the record was checked."""
    grant = Grant.system("sign-in: encounters of a patient whom this person may open")
    query = (("patient", patient), ("_sort", "-date"))
    return [_encounter(e) for e in await _search("Encounter", query, grant, services)]


async def _search(
    type_: str, query: Pairs, grant: Grant, services: Services
) -> list[dict[str, Any]]:
    pairs = (*query, ("_count", str(MOST)))
    request = FhirRequest("GET", type_, grant, services.settings.base, pairs)
    try:
        body = (await dispatch(request, services)).body
    except FhirError:
        return []
    bundle = decode(body, max_bytes=len(body) + 1, max_depth=1000)
    return [
        entry["resource"]
        for entry in bundle.get("entry", ())
        if entry.get("search", {}).get("mode", "match") == "match"
    ]


def _patient(resource: Mapping[str, Any]) -> Choice:
    names = resource.get("name") or [{}]
    name = next((n for n in names if n.get("use") == "official"), names[0])
    title = name.get("text") or " ".join((*name.get("given", ()), name.get("family", "")))
    return Choice(resource["id"], title.strip() or resource["id"], resource.get("birthDate", ""))


def _encounter(resource: Mapping[str, Any]) -> Choice:
    texts = [_text(type_) for type_ in resource.get("type", ())]
    title = next(filter(None, texts), "") or _text(resource.get("class", {}))
    begin = str(resource.get("period", {}).get("start", ""))[:10]
    return Choice(resource["id"], title or resource["id"], begin)


def _text(concept: Mapping[str, Any]) -> str:
    codings = [concept, *concept.get("coding", ())]
    shown = (coding.get("display") or coding.get("code", "") for coding in codings)
    return str(concept.get("text") or next(filter(None, shown), ""))
