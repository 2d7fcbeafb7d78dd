"""One person's record, grown year by year: a list of resources with fixed ids."""

from __future__ import annotations

from datetime import date

from fhir_server.demo.anamnesis import allergy, condition, immunization, medication
from fhir_server.demo.contacts import appointments, hospital_stays, messages, visit
from fhir_server.demo.findings import imaging, laboratory
from fhir_server.demo.patient import patient
from fhir_server.demo.person import Person
from fhir_server.demo.sheet import Resource, Sheet


def grown(person: Person, order: int, today: date) -> list[Resource]:
    """Everything of this person, the Patient first.

    What comes earlier draws earlier from the seed: another order gives other people.
    """
    sheet = Sheet(person, order, today)
    sheet.resources.append(patient(person, order))
    conditions = {illness.code: condition(sheet, illness) for illness in person.illnesses}
    for treatment in person.treatments:
        medication(sheet, treatment)
    for substance in person.allergies:
        allergy(sheet, *substance)
    for number, (vaccine, age) in enumerate(person.vaccines, 1):
        immunization(sheet, vaccine, age, number)
    for day in sheet.days(person.visits):
        visit(sheet, day, conditions)
    for panel, times in person.panels:
        for day in sheet.days(times):
            laboratory(sheet, panel, day)
    for title, years, conclusion in person.imaging:
        imaging(sheet, title, years, conclusion)
    hospital_stays(sheet)
    appointments(sheet)
    messages(sheet)
    return sheet.resources
