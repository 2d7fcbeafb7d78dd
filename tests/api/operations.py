"""What the tests of operations ask with."""

from __future__ import annotations

from typing import Any

import httpx

LOINC = "http://loinc.org"


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, **more}


def observation(
    id_: str, code: str | dict[str, Any], date: str, subject: str = "a", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [{"coding": [{"system": "http://c", "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": code}]} if isinstance(code, str) else code,
        "subject": {"reference": f"Patient/{subject}"},
        "effectiveDateTime": date,
        **more,
    }


ORGANIZATION = {"resourceType": "Organization", "id": "o", "name": "Clinic"}


PRACTITIONER = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Who"}]}


ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/a"},
    "participant": [{"individual": {"reference": "Practitioner/dr"}}],
    "period": {"start": "2020-01-01", "end": "2020-01-02"},
}


async def put(client: httpx.AsyncClient, *resources: dict[str, Any]) -> None:
    for resource in resources:
        path = f"{resource['resourceType']}/{resource['id']}"
        answer = await client.put(path, json=resource)
        assert answer.status_code == 201, answer.text


async def ask(client: httpx.AsyncClient, path: str, status: int = 200) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(bundle: dict[str, Any], mode: str = "") -> list[str]:
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in bundle.get("entry", [])
        if not mode or entry["search"]["mode"] == mode
    ]


def next_link(bundle: dict[str, Any]) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


def parameters(**values: Any) -> dict[str, Any]:
    rows = [
        {"name": name, "resource" if isinstance(v, dict) and "resourceType" in v else kind: v}
        for name, (kind, v) in values.items()
    ]
    return {"resourceType": "Parameters", "parameter": rows}
