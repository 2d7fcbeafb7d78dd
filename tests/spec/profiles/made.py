"""Profiles and resources as the tests of profiles make them."""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.definitions import load

CORE = "http://hl7.org/fhir/StructureDefinition/"
URL = "http://example.org/StructureDefinition/"
LOINC = "http://loinc.org"
R4 = load()


def profile(name: str, type_: str, *elements: dict[str, Any], base: str = "") -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "name": "P",
        "status": "active",
        "abstract": False,
        "type": type_,
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": URL + base if base else CORE + type_,
        "differential": {"element": [{"path": type_}, *elements]},
    }


def at(path: str, slice_: str = "", **more: Any) -> dict[str, Any]:
    named = {"sliceName": slice_} if slice_ else {}
    return {"path": path, **named, **more}


def sliced(path: str, type_: str, on: str, rules: str = "open", **more: Any) -> dict[str, Any]:
    discriminator = [{"type": type_, "path": on}]
    return at(path, slicing={"discriminator": discriminator, "rules": rules, **more})


def concept(code: str, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def observation(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **properties}


def patient(**properties: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **properties}


NAMED = profile("named", "Patient", at("Patient.name", min=1))
