"""The records that searches at scale are measured on: 100 Observations of each patient.

They are stored as a user stores them, by `fhir-server load` with two processes, whose rate counts.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from fhir_server.fhir import codec
from fhir_server.store import migrations
from tests.bench.data import observation, patient

EACH = 100
PROCESSES = 2
TO_A_FILE = 100
CODES = [f"{1000 + at}-{at % 10}" for at in range(40)]
PANEL = "85354-9"
CATEGORIES = ("vital-signs", "laboratory", "survey")
BORN = date(1930, 1, 1), date(2010, 1, 1)
"""The first birth date there may be, and the first one after them all."""


def resources(number: int) -> Iterator[dict[str, Any]]:
    """A patient and their Observations; one in ten is a blood pressure with components."""
    chance = random.Random(number)
    yield patient(number)
    for index in range(EACH):
        code = chance.choice(CODES)
        found = observation(chance, f"Patient/p{number}", code)
        found["id"] = f"o{number}-{index}"
        category = chance.choices(CATEGORIES, (12, 7, 1))[0]
        found["category"][0]["coding"][0]["code"] = category
        if index % 10 == 0:
            del found["valueQuantity"]
            found["code"] = {"coding": [{"system": "http://loinc.org", "code": PANEL}]}
            found["component"] = [
                _pressure("8480-6", chance.randint(90, 180)),
                _pressure("8462-4", chance.randint(50, 110)),
            ]
        yield found


def _pressure(code: str, value: int) -> dict[str, Any]:
    unit = {"unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, **unit},
    }


def fill(uri: str, database: str, people: int, folder: Path) -> float | None:
    """Store the patients with all that they have, unless they are there; resources a second.

    The files that are loaded lie in `folder` meanwhile. None where nothing was to be stored.
    """
    with MongoClient[dict[str, Any]](uri) as client:
        known = client[database]["Patient"].estimated_document_count()
    if known == people:
        return None
    if known:
        raise SystemExit(f"{database} has {known} patients, not {people}")
    files = folder / "records"
    files.mkdir()
    for first in range(0, people, TO_A_FILE):
        with (files / f"{first:07}.ndjson").open("wb") as out:
            for number in range(first, min(people, first + TO_A_FILE)):
                out.writelines(codec.encode(one) + b"\n" for one in resources(number))
    migrations.migrate(uri, database)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "fhir_server", "load", f"--processes={PROCESSES}", str(files)],
        env={**os.environ, "FHIR_MONGODB_URI": uri, "FHIR_MONGODB_DATABASE": database},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - began
    shutil.rmtree(files)
    return people * (EACH + 1) / seconds
