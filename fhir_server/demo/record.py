"""One person's record, grown year by year: a list of resources with fixed ids."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from fhir_server.demo import network
from fhir_server.demo.calendar import minutes, moment, years_before
from fhir_server.demo.codes import (
    ATC,
    DIASTOLIC,
    HL7,
    ICD10,
    IMAGING,
    LOINC,
    MEASURES,
    PANELS,
    PRESSURE,
    SYSTOLIC,
    VACCINES,
    Measure,
    coded,
    concept,
)
from fhir_server.demo.patient import patient
from fhir_server.demo.person import Illness, Person, Treatment, Trend
from fhir_server.demo.values import interpretation, quantity, reference_range, value

YEARS = 10
Resource = dict[str, Any]


class Record:
    """Grows one person's resources; the same seed and day give the same bytes."""

    def __init__(self, person: Person, order: int, today: date) -> None:
        self._person = person
        self._order = order
        self._today = today
        self._random = Random(f"{person.id} {today}")
        self._start = max(person.birth, years_before(today, YEARS))
        self._counts: dict[str, int] = {}
        self._resources: list[Resource] = []
        self._subject = {
            "reference": f"Patient/{person.id}",
            "display": f"{person.given[0]} {person.family}",
        }

    def grow(self) -> list[Resource]:
        """Everything of this person, the Patient first."""
        self._resources = [patient(self._person, self._order)]
        person = self._person
        conditions = {illness.code: self._condition(illness) for illness in person.illnesses}
        for treatment in person.treatments:
            self._medication(treatment)
        for substance in person.allergies:
            self._allergy(*substance)
        for number, (vaccine, age) in enumerate(person.vaccines, 1):
            self._immunization(vaccine, age, number)
        for day in self._days(person.visits):
            self._visit(day, conditions)
        for panel, times in person.panels:
            for day in self._days(times):
                self._laboratory(panel, day)
        for title, years, conclusion in person.imaging:
            self._imaging(title, years, conclusion)
        self._hospital_stay()
        self._appointments()
        self._messages()
        return self._resources

    def _add(self, type_: str, **fields: Any) -> Resource:
        number = self._counts[type_] = self._counts.get(type_, 0) + 1
        resource = {"resourceType": type_, "id": f"{self._person.id}-{number}", **fields}
        self._resources.append(resource)
        return resource

    def _condition(self, illness: Illness) -> Resource:
        began = years_before(self._today, illness.years)
        ended = illness.months is not None
        condition = self._add(
            "Condition",
            clinicalStatus=coded("condition-clinical", "resolved" if ended else "active"),
            verificationStatus=coded("condition-ver-status", "confirmed"),
            category=[coded("condition-category", "problem-list-item")],
            code=concept(ICD10, illness.code, illness.text),
            subject=self._subject,
            onsetDateTime=began.isoformat(),
        )
        if illness.months is not None:
            over = began + timedelta(days=30 * illness.months)
            condition["abatementDateTime"] = over.isoformat()
        condition["recordedDate"] = began.isoformat()
        condition["recorder"] = network.practitioner(self._person.specialist or network.GENERAL)
        return condition

    def _medication(self, treatment: Treatment) -> None:
        first = years_before(self._today, treatment.years)
        renewals = max(1, int(treatment.years if treatment.running else 1))
        for renewal in range(renewals):
            last = renewal == renewals - 1
            running = last and treatment.running
            self._add(
                "MedicationRequest",
                status="active" if running else "completed",
                intent="order",
                medicationCodeableConcept=concept(ATC, treatment.code, treatment.text),
                subject=self._subject,
                authoredOn=(first + timedelta(days=364 * renewal)).isoformat(),
                requester=network.practitioner(self._person.specialist or network.GENERAL),
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

    def _allergy(self, category: str, substance: str, criticality: str) -> None:
        self._add(
            "AllergyIntolerance",
            clinicalStatus=coded("allergyintolerance-clinical", "active"),
            verificationStatus=coded("allergyintolerance-verification", "confirmed"),
            type="allergy",
            category=[category],
            criticality=criticality,
            code={"text": substance},
            patient=self._subject,
            recordedDate=years_before(self._today, 2.5 + self._random.random()).isoformat(),
            reaction=[{"manifestation": [{"text": "Urticaire"}], "severity": "moderate"}],
        )

    def _immunization(self, vaccine: str, age: float, number: int) -> None:
        day = self._person.birth + timedelta(days=round(age * 365.25))
        if day > self._today:
            return
        code, text = VACCINES[vaccine]
        self._add(
            "Immunization",
            status="completed",
            vaccineCode=concept(ATC, code, text),
            patient=self._subject,
            occurrenceDateTime=day.isoformat(),
            primarySource=True,
            lotNumber=f"DEMO-{self._order:02d}{number:02d}",
            performer=[{"actor": network.practitioner(network.NURSE)}],
        )

    def _visit(self, day: date, conditions: dict[str, Resource]) -> None:
        start = moment(day, 8 + self._random.random() * 10)
        known = [c for c in conditions.values() if c["onsetDateTime"] <= day.isoformat()]
        encounter = self._add(
            "Encounter",
            status="finished",
            **{"class": {"system": f"{HL7}/v3-ActCode", "code": "AMB", "display": "Consultation"}},
            subject=self._subject,
            participant=[{"individual": network.practitioner(network.GENERAL)}],
            period={"start": start.isoformat(), "end": (start + minutes(20)).isoformat()},
            serviceProvider=network.organization(network.PRACTICE),
        )
        if known:
            reason = known[int(self._random.random() * len(known))]
            encounter["reasonReference"] = [
                {"reference": f"Condition/{reason['id']}", "display": reason["code"]["text"]}
            ]
        seen = {"reference": f"Encounter/{encounter['id']}"}
        for name, trend in self._person.trends:
            if MEASURES[name].vital:
                self._observation(MEASURES[name], trend, start, encounter=seen)
        if self._person.pressure:
            self._pressure(*self._person.pressure, start, seen)

    def _laboratory(self, panel: str, day: date) -> None:
        code, title, names = PANELS[panel]
        drawn = moment(day, 7.5)
        trends = dict(self._person.trends)
        results = [
            self._observation(MEASURES[name], trends[name], drawn)
            for name in names
            if name in trends
        ]
        self._add(
            "DiagnosticReport",
            status="final",
            category=[coded("v2-0074", "LAB")],
            code=concept(LOINC, code, title),
            subject=self._subject,
            effectiveDateTime=drawn.isoformat(),
            issued=(drawn + minutes(300)).isoformat(),
            performer=[network.organization(network.LABORATORY)],
            resultsInterpreter=[network.practitioner(network.BIOLOGIST)],
            result=[{"reference": f"Observation/{result['id']}"} for result in results],
        )

    def _imaging(self, title: str, years: float, conclusion: str) -> None:
        taken = moment(years_before(self._today, years), 14)
        self._add(
            "DiagnosticReport",
            status="final",
            category=[coded("v2-0074", "RAD")],
            code={**IMAGING, "text": title},
            subject=self._subject,
            effectiveDateTime=taken.isoformat(),
            issued=(taken + minutes(180)).isoformat(),
            performer=[network.organization(network.HOSPITAL)],
            resultsInterpreter=[network.practitioner(network.RADIOLOGIST)],
            conclusion=conclusion,
        )

    def _hospital_stay(self) -> None:
        for illness in self._person.illnesses:
            if illness.code[0] in "SC" or illness.code in ("J18.9", "J21.9"):
                admitted = moment(years_before(self._today, illness.years), 16)
                self._add(
                    "Encounter",
                    status="finished",
                    **{"class": {"system": f"{HL7}/v3-ActCode", "code": "IMP",
                                 "display": "Hospitalisation"}},
                    subject=self._subject,
                    period={
                        "start": admitted.isoformat(),
                        "end": (admitted + timedelta(days=4)).isoformat(),
                    },
                    reasonCode=[concept(ICD10, illness.code, illness.text)],
                    serviceProvider=network.organization(network.HOSPITAL),
                )  # fmt: skip

    def _appointments(self) -> None:
        plan = (
            (-180, "fulfilled", 20),
            (-40, "noshow", 20),
            (12, "booked", 20),
            (95, "booked", 30),
        )
        for days, status, length in plan:
            start = moment(self._today + timedelta(days=days + self._order), 9 + self._order % 8)
            doctor = network.GENERAL
            if days > 90 and self._person.specialist:
                doctor = self._person.specialist
            self._add(
                "Appointment",
                status=status,
                description="Consultation de suivi",
                start=start.isoformat(),
                end=(start + minutes(length)).isoformat(),
                minutesDuration=length,
                participant=[
                    {"actor": self._subject, "status": "accepted"},
                    {"actor": network.practitioner(doctor), "status": "accepted"},
                ],
            )

    def _messages(self) -> None:
        doctor = network.practitioner(network.GENERAL)
        asked = moment(self._today - timedelta(days=20 + self._order), 19)
        question = self._message(
            asked, self._subject, doctor, "Bonjour, faut-il être à jeun pour la prise de sang ?"
        )
        answer = self._message(
            asked + minutes(840), doctor, self._subject,
            "Bonjour, oui, à jeun depuis douze heures. L'eau est permise.",
        )  # fmt: skip
        answer["inResponseTo"] = [{"reference": f"Communication/{question['id']}"}]

    def _message(self, sent: datetime, sender: Resource, to: Resource, text: str) -> Resource:
        return self._add(
            "Communication",
            status="completed",
            subject=self._subject,
            sent=sent.isoformat(),
            received=(sent + minutes(1)).isoformat(),
            recipient=[to],
            sender=sender,
            payload=[{"contentString": text}],
        )

    def _observation(self, measure: Measure, trend: Trend, at: datetime, **fields: Any) -> Resource:
        measured = self._value(trend, at, measure)
        category = "vital-signs" if measure.vital else "laboratory"
        observation = self._add(
            "Observation",
            status="final",
            category=[coded("observation-category", category)],
            code=concept(LOINC, measure.code, measure.text),
            subject=self._subject,
            **fields,
            effectiveDateTime=at.isoformat(),
            valueQuantity=quantity(measured, measure),
        )
        if not measure.vital and (measure.low is not None or measure.high is not None):
            observation["interpretation"] = [
                coded("v3-ObservationInterpretation", interpretation(measured, measure))
            ]
            observation["referenceRange"] = [reference_range(measure)]
        return observation

    def _pressure(self, upper: Trend, lower: Trend, at: datetime, seen: Resource) -> None:
        self._add(
            "Observation",
            status="final",
            category=[coded("observation-category", "vital-signs")],
            code=PRESSURE,
            subject=self._subject,
            encounter=seen,
            effectiveDateTime=at.isoformat(),
            component=[
                {
                    "code": concept(LOINC, measure.code, measure.text),
                    "valueQuantity": quantity(self._value(trend, at, measure), measure),
                }
                for measure, trend in ((SYSTOLIC, upper), (DIASTOLIC, lower))
            ],
        )

    def _value(self, trend: Trend, at: datetime, measure: Measure) -> Decimal:
        way = (at.date() - self._start).days / max(1, (self._today - self._start).days)
        return value(trend, way, self._random, measure.digits)

    def _days(self, times: int) -> list[date]:
        """Days from the first to today, about `times` a year, none on a Sunday."""
        gap = 365.25 / times
        days = []
        at = gap * self._random.random()
        while (day := self._start + timedelta(days=round(at))) < self._today:
            days.append(day + timedelta(days=1) if day.weekday() == 6 else day)
            at += gap * (0.8 + 0.4 * self._random.random())
        return days
