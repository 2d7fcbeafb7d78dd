"""When person and care meet: visits, stays, appointments and messages."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from fhir_server.demo import network
from fhir_server.demo.calendar import minutes, moment, years_before
from fhir_server.demo.codes import HL7, ICD10, MEASURES, concept
from fhir_server.demo.findings import observation, pressure
from fhir_server.demo.sheet import Resource, Sheet


def visit(sheet: Sheet, day: date, conditions: dict[str, Resource]) -> None:
    """An Encounter at the practice, with what is measured there."""
    start = moment(day, 8 + sheet.chance() * 10)
    known = [c for c in conditions.values() if c["onsetDateTime"] <= day.isoformat()]
    encounter = sheet.add(
        "Encounter",
        status="finished",
        **{"class": {"system": f"{HL7}/v3-ActCode", "code": "AMB", "display": "Consultation"}},
        subject=sheet.subject,
        participant=[{"individual": network.practitioner(network.GENERAL)}],
        period={"start": start.isoformat(), "end": (start + minutes(20)).isoformat()},
        serviceProvider=network.organization(network.PRACTICE),
    )
    if known:
        reason = known[int(sheet.chance() * len(known))]
        encounter["reasonReference"] = [
            {"reference": f"Condition/{reason['id']}", "display": reason["code"]["text"]}
        ]
    seen = {"reference": f"Encounter/{encounter['id']}"}
    for name, trend in sheet.person.trends:
        if MEASURES[name].vital:
            observation(sheet, MEASURES[name], trend, start, encounter=seen)
    if sheet.person.pressure:
        pressure(sheet, *sheet.person.pressure, start, seen)


def hospital_stays(sheet: Sheet) -> None:
    """An Encounter for each illness that is treated in hospital."""
    for illness in sheet.person.illnesses:
        if illness.code[0] in "SC" or illness.code in ("J18.9", "J21.9"):
            admitted = moment(years_before(sheet.today, illness.years), 16)
            sheet.add(
                "Encounter",
                status="finished",
                **{"class": {"system": f"{HL7}/v3-ActCode", "code": "IMP",
                             "display": "Hospitalisation"}},
                subject=sheet.subject,
                period={
                    "start": admitted.isoformat(),
                    "end": (admitted + timedelta(days=4)).isoformat(),
                },
                reasonCode=[concept(ICD10, illness.code, illness.text)],
                serviceProvider=network.organization(network.HOSPITAL),
            )  # fmt: skip


def appointments(sheet: Sheet) -> None:
    """Appointments that were, and those to come."""
    plan = (
        (-180, "fulfilled", 20),
        (-40, "noshow", 20),
        (12, "booked", 20),
        (95, "booked", 30),
    )
    for days, status, length in plan:
        start = moment(sheet.today + timedelta(days=days + sheet.order), 9 + sheet.order % 8)
        doctor = network.GENERAL
        if days > 90 and sheet.person.specialist:
            doctor = sheet.person.specialist
        sheet.add(
            "Appointment",
            status=status,
            description="Consultation de suivi",
            start=start.isoformat(),
            end=(start + minutes(length)).isoformat(),
            minutesDuration=length,
            participant=[
                {"actor": sheet.subject, "status": "accepted"},
                {"actor": network.practitioner(doctor), "status": "accepted"},
            ],
        )


def messages(sheet: Sheet) -> None:
    """A question to the doctor, and the answer."""
    doctor = network.practitioner(network.GENERAL)
    asked = moment(sheet.today - timedelta(days=20 + sheet.order), 19)
    question = _message(
        sheet, asked, sheet.subject, doctor, "Bonjour, faut-il être à jeun pour la prise de sang ?"
    )
    answer = _message(
        sheet, asked + minutes(840), doctor, sheet.subject,
        "Bonjour, oui, à jeun depuis douze heures. L'eau est permise.",
    )  # fmt: skip
    answer["inResponseTo"] = [{"reference": f"Communication/{question['id']}"}]


def _message(sheet: Sheet, sent: datetime, sender: Resource, to: Resource, text: str) -> Resource:
    return sheet.add(
        "Communication",
        status="completed",
        subject=sheet.subject,
        sent=sent.isoformat(),
        received=(sent + minutes(1)).isoformat(),
        recipient=[to],
        sender=sender,
        payload=[{"contentString": text}],
    )
