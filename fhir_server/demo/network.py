"""The made-up hospital, practice, laboratory and pharmacy, and those who work there."""

from __future__ import annotations

from typing import Any

from fhir_server.demo.codes import HL7

_DIRECTORY = "https://demo.example.org/annuaire"

_ORGANIZATIONS = (
    ("hopital-des-tilleuls", "prov", "Hôpital des Tilleuls"),
    ("maison-de-sante-du-canal", "prov", "Maison de santé du Canal"),
    ("laboratoire-du-parc", "prov", "Laboratoire de biologie du Parc"),
    ("pharmacie-de-la-fontaine", "bus", "Pharmacie de la Fontaine"),
)

_PRACTITIONERS = (
    ("generaliste", "Ondine", "Maravel", "female", "Médecine générale"),
    ("infirmier", "Tancrède", "Oliveau", "male", "Soins infirmiers"),
    ("paediatrics", "Blanche", "Serviez", "female", "Pédiatrie"),
    ("orthopaedics", "Gaspard", "Lormier", "male", "Chirurgie orthopédique"),
    ("gynaecology", "Irène", "Chabrol-Vey", "female", "Gynécologie-obstétrique"),
    ("endocrinology", "Octave", "Belhomet", "male", "Endocrinologie"),
    ("cardiology", "Nour", "Essaïdi-Prat", "female", "Cardiologie"),
    ("oncology", "Lazare", "Quintrec", "male", "Oncologie médicale"),
    ("geriatrics", "Philomène", "Astorg", "female", "Gériatrie"),
    ("radiology", "Célestin", "Hauvray", "male", "Radiodiagnostic"),
    ("biology", "Apolline", "Derveaux", "female", "Biologie médicale"),
)

GENERAL, NURSE, RADIOLOGIST, BIOLOGIST = "generaliste", "infirmier", "radiology", "biology"
HOSPITAL, PRACTICE, LABORATORY = (row[0] for row in _ORGANIZATIONS[:3])


def practitioner(id_: str) -> dict[str, Any]:
    """A Reference to one of the practitioners, with the name to show."""
    _, given, family, _, _ = next(row for row in _PRACTITIONERS if row[0] == id_)
    return {"reference": f"Practitioner/{id_}", "display": f"{given} {family}"}


def organization(id_: str) -> dict[str, Any]:
    """A Reference to one of the organizations, with the name to show."""
    return {
        "reference": f"Organization/{id_}",
        "display": next(name for row, _, name in _ORGANIZATIONS if row == id_),
    }


def resources() -> list[dict[str, Any]]:
    """The Organizations, Practitioners and PractitionerRoles."""
    found: list[dict[str, Any]] = []
    for id_, kind, name in _ORGANIZATIONS:
        found.append(
            {
                "resourceType": "Organization",
                "id": id_,
                "identifier": [{"system": f"{_DIRECTORY}/structures", "value": id_}],
                "active": True,
                "type": [{"coding": [{"system": f"{HL7}/organization-type", "code": kind}]}],
                "name": name,
            }
        )
    for order, (id_, given, family, gender, speciality) in enumerate(_PRACTITIONERS, 1):
        found.append(
            {
                "resourceType": "Practitioner",
                "id": id_,
                "identifier": [
                    {"system": f"{_DIRECTORY}/professionnels", "value": f"DEMO{order:04d}"}
                ],
                "active": True,
                "name": [{"use": "official", "family": family, "given": [given]}],
                "gender": gender,
                "qualification": [{"code": {"text": speciality}}],
            }
        )
        place = LABORATORY if id_ == BIOLOGIST else HOSPITAL
        found.append(
            {
                "resourceType": "PractitionerRole",
                "id": f"role-{id_}",
                "active": True,
                "practitioner": practitioner(id_),
                "organization": organization(PRACTICE if id_ in (GENERAL, NURSE) else place),
                "specialty": [{"text": speciality}],
            }
        )
    return found
