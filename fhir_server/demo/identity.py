"""Identifiers for people who do not exist."""

from __future__ import annotations

from datetime import date

INS_DEMO = "urn:oid:1.2.250.1.213.1.4.11"
"""Root of the INS for demonstrations; the roots of real identities are never used here."""

_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"


def ins(gender: str, birth: date, commune: str, order: int) -> str:
    """The 15 digits of an INS: sex, year, month, commune of birth, order and the check key."""
    sex = "2" if gender == "female" else "1"
    body = f"{sex}{birth:%y%m}{commune}{order:03d}"
    return f"{body}{check_key(body):02d}"


def check_key(body: str) -> int:
    """97 less the number modulo 97, Corsica's 2A and 2B counting as 19 and 18."""
    return 97 - int(body.replace("2A", "19").replace("2B", "18")) % 97


def ins_identifier(value: str) -> dict[str, object]:
    """The Identifier that carries an INS for demonstrations."""
    return {
        "use": "official",
        "type": {"coding": [{"system": _TYPES, "code": "INS-NIR-DEMO"}]},
        "system": INS_DEMO,
        "value": value,
    }
