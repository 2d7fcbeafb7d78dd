"""One person's Patient resource."""

from __future__ import annotations

from typing import Any

from fhir_server.demo import network
from fhir_server.demo.codes import HL7
from fhir_server.demo.identity import ins, ins_identifier
from fhir_server.demo.person import Person


def patient(person: Person, order: int) -> dict[str, Any]:
    """The Patient; `order` (1 and up) makes number, telephone and street of its own."""
    number = ins(person.gender, person.birth, person.commune, order)
    found: dict[str, Any] = {
        "resourceType": "Patient",
        "id": person.id,
        "identifier": [ins_identifier(number)],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": list(person.given)}],
        "telecom": [
            {"system": "phone", "value": f"+33 1 99 00 {order:02d} 42", "use": "mobile"},
            {"system": "email", "value": f"{person.id}@demo.example.org"},
        ],
        "gender": person.gender,
        "birthDate": person.birth.isoformat(),
        "address": [
            {
                "use": "home",
                "line": [f"{3 * order + 1} rue des Exemples"],
                "city": person.city,
                "postalCode": person.postcode,
                "country": "FR",
            }
        ],
        "communication": [
            {
                "language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]},
                "preferred": True,
            }
        ],
        "generalPractitioner": [network.practitioner(network.GENERAL)],
        "managingOrganization": network.organization(network.PRACTICE),
    }
    if person.guardian:
        found["contact"] = [
            {
                "relationship": [{"coding": [{"system": f"{HL7}/v3-RoleCode", "code": "PRN"}]}],
                "name": {"text": person.guardian},
            }
        ]
    return found
