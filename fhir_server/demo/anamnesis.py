"""What is known of a person: illnesses, treatments, allergies and vaccinations."""

from __future__ import annotations

from datetime import timedelta

from fhir_server.demo import network
from fhir_server.demo.calendar import years_before
from fhir_server.demo.codes import ATC, ICD10, VACCINES, coded, concept
from fhir_server.demo.person import Illness, Treatment
from fhir_server.demo.sheet import Resource, Sheet


def condition(sheet: Sheet, illness: Illness) -> Resource:
    """The Condition of an illness, over where it has ended."""
    began = years_before(sheet.today, illness.years)
    ended = illness.months is not None
    found = sheet.add(
        "Condition",
        clinicalStatus=coded("condition-clinical", "resolved" if ended else "active"),
        verificationStatus=coded("condition-ver-status", "confirmed"),
        category=[coded("condition-category", "problem-list-item")],
        code=concept(ICD10, illness.code, illness.text),
        subject=sheet.subject,
        onsetDateTime=began.isoformat(),
    )
    if illness.months is not None:
        over = began + timedelta(days=30 * illness.months)
        found["abatementDateTime"] = over.isoformat()
    found["recordedDate"] = began.isoformat()
    found["recorder"] = network.practitioner(sheet.person.specialist or network.GENERAL)
    return found


def medication(sheet: Sheet, treatment: Treatment) -> None:
    """A MedicationRequest for each year of a treatment."""
    first = years_before(sheet.today, treatment.years)
    renewals = max(1, int(treatment.years if treatment.running else 1))
    for renewal in range(renewals):
        last = renewal == renewals - 1
        running = last and treatment.running
        sheet.add(
            "MedicationRequest",
            status="active" if running else "completed",
            intent="order",
            medicationCodeableConcept=concept(ATC, treatment.code, treatment.text),
            subject=sheet.subject,
            authoredOn=(first + timedelta(days=364 * renewal)).isoformat(),
            requester=network.practitioner(sheet.person.specialist or network.GENERAL),
            dosageInstruction=[
                {
                    "text": treatment.dosage,
                    "timing": {
                        "repeat": {
                            "frequency": treatment.times, "period": 1, "periodUnit": "d"
                        }
                    },
                }
            ],
        )  # fmt: skip


def allergy(sheet: Sheet, category: str, substance: str, criticality: str) -> None:
    """An AllergyIntolerance."""
    sheet.add(
        "AllergyIntolerance",
        clinicalStatus=coded("allergyintolerance-clinical", "active"),
        verificationStatus=coded("allergyintolerance-verification", "confirmed"),
        type="allergy",
        category=[category],
        criticality=criticality,
        code={"text": substance},
        patient=sheet.subject,
        recordedDate=years_before(sheet.today, 2.5 + sheet.chance()).isoformat(),
        reaction=[{"manifestation": [{"text": "Urticaire"}], "severity": "moderate"}],
    )


def immunization(sheet: Sheet, vaccine: str, age: float, number: int) -> None:
    """An Immunization at an age in years, where it was before today."""
    day = sheet.person.birth + timedelta(days=round(age * 365.25))
    if day > sheet.today:
        return
    code, text = VACCINES[vaccine]
    sheet.add(
        "Immunization",
        status="completed",
        vaccineCode=concept(ATC, code, text),
        patient=sheet.subject,
        occurrenceDateTime=day.isoformat(),
        primarySource=True,
        lotNumber=f"DEMO-{sheet.order:02d}{number:02d}",
        performer=[{"actor": network.practitioner(network.NURSE)}],
    )
