"""The bench's records: 200 patients with 100 Observations each, the same at every run."""

from __future__ import annotations

import json
import random
from typing import Any

PATIENTS = 200
OBSERVATIONS = 100
CODES = ("8480-6", "8462-4", "8867-4", "29463-7", "4548-4")
_NAMES = ("Martin", "Bernard", "Dubois", "Moreau", "Laurent", "Lefebvre", "Roux", "Girard")

Resource = dict[str, Any]


def patient(number: int) -> Resource:
    """Patient `p{number}`."""
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": "https://bench.example.org/patients", "value": f"{number:06}"}],
        "name": [{"family": _NAMES[number % len(_NAMES)], "given": [f"Patient{number}"]}],
        "gender": ("female", "male")[number % 2],
        "birthDate": f"{1930 + number % 80}-{1 + number % 12:02}-{1 + number % 28:02}",
    }


def observation(random_: random.Random, subject: str, code: str) -> Resource:
    """An Observation of about 1.5 KB of `subject` (such as `Patient/p1`)."""
    day = f"{random_.randint(2016, 2025)}-{random_.randint(1, 12):02}-{random_.randint(1, 28):02}"
    return {
        "resourceType": "Observation",
        "meta": {"source": "https://bench.example.org/device/42"},
        "identifier": [
            {"system": "https://bench.example.org/results", "value": f"{random_.getrandbits(64):x}"}
        ],
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                        "display": "Vital Signs",
                    }
                ],
                "text": "Vital Signs",
            }
        ],
        "code": {
            "coding": [
                {"system": "http://loinc.org", "code": code, "display": f"Measured value {code}"},
                {"system": "https://bench.example.org/codes", "code": f"local-{code}"},
            ],
            "text": f"Measured value {code}",
        },
        "subject": {"reference": subject, "display": "A generated patient of the bench"},
        "encounter": {"reference": f"Encounter/{subject.partition('/')[2]}"},
        "effectiveDateTime": f"{day}T08:{random_.randint(0, 59):02}:00+01:00",
        "issued": f"{day}T09:{random_.randint(0, 59):02}:12.345+01:00",
        "performer": [{"reference": "Practitioner/bench", "display": "Dr Bench"}],
        "valueQuantity": {
            "value": random_.randint(400, 1800) / 10,
            "unit": "kg",
            "system": "http://unitsofmeasure.org",
            "code": "kg",
        },
        "interpretation": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/"
                        "v3-ObservationInterpretation",
                        "code": "N",
                        "display": "Normal",
                    }
                ]
            }
        ],
        "note": [{"text": "Taken at rest, sitting, on the left side, after five minutes of calm."}],
        "referenceRange": [
            {
                "low": {
                    "value": 50,
                    "unit": "kg",
                    "system": "http://unitsofmeasure.org",
                    "code": "kg",
                },
                "high": {
                    "value": 90,
                    "unit": "kg",
                    "system": "http://unitsofmeasure.org",
                    "code": "kg",
                },
                "text": "50 to 90 kg",
            }
        ],
    }


def observations(seed: int, number: int) -> list[Resource]:
    """The Observations `o{number}-{index}` of patient `p{number}`: each code 20 times."""
    random_ = random.Random(f"{seed}/{number}")
    return [
        {
            **observation(random_, f"Patient/p{number}", CODES[index % len(CODES)]),
            "id": f"o{number}-{index}",
        }
        for index in range(OBSERVATIONS)
    ]


def transaction(random_: random.Random) -> Resource:
    """A transaction Bundle of 50 entries: Patient, Encounter, 48 Observations of them."""
    new = f"urn:uuid:{random_.getrandbits(128):032x}"
    visit = f"urn:uuid:{random_.getrandbits(128):032x}"
    person = patient(random_.randrange(PATIENTS))
    del person["id"]
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "AMB",
        },
        "subject": {"reference": new},
    }
    resources = [(new, person), (visit, encounter)]
    for index in range(48):
        result = observation(random_, new, CODES[index % len(CODES)])
        result["encounter"] = {"reference": visit}
        resources.append((f"urn:uuid:{random_.getrandbits(128):032x}", result))
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": url,
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for url, resource in resources
        ],
    }


def body(resource: Resource) -> bytes:
    """The resource as compact JSON."""
    return json.dumps(resource, separators=(",", ":")).encode()
