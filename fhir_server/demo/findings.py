"""What is found: measurements, and the reports of laboratory and imaging."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from fhir_server.demo import network
from fhir_server.demo.calendar import minutes, moment, years_before
from fhir_server.demo.codes import (
    DIASTOLIC,
    IMAGING,
    LOINC,
    MEASURES,
    PANELS,
    PRESSURE,
    SYSTOLIC,
    Measure,
    coded,
    concept,
)
from fhir_server.demo.person import Trend
from fhir_server.demo.sheet import Resource, Sheet
from fhir_server.demo.values import interpretation, quantity, reference_range


def observation(
    sheet: Sheet, measure: Measure, trend: Trend, at: datetime, **fields: Any
) -> Resource:
    """An Observation of one value; `fields` are further elements."""
    measured = sheet.value(trend, at, measure)
    category = "vital-signs" if measure.vital else "laboratory"
    found = sheet.add(
        "Observation",
        status="final",
        category=[coded("observation-category", category)],
        code=concept(LOINC, measure.code, measure.text),
        subject=sheet.subject,
        **fields,
        effectiveDateTime=at.isoformat(),
        valueQuantity=quantity(measured, measure),
    )
    if not measure.vital and (measure.low is not None or measure.high is not None):
        found["interpretation"] = [
            coded("v3-ObservationInterpretation", interpretation(measured, measure))
        ]
        found["referenceRange"] = [reference_range(measure)]
    return found


def pressure(sheet: Sheet, upper: Trend, lower: Trend, at: datetime, seen: Resource) -> None:
    """An Observation of the systolic and the diastolic pressure."""
    sheet.add(
        "Observation",
        status="final",
        category=[coded("observation-category", "vital-signs")],
        code=PRESSURE,
        subject=sheet.subject,
        encounter=seen,
        effectiveDateTime=at.isoformat(),
        component=[
            {
                "code": concept(LOINC, measure.code, measure.text),
                "valueQuantity": quantity(sheet.value(trend, at, measure), measure),
            }
            for measure, trend in ((SYSTOLIC, upper), (DIASTOLIC, lower))
        ],
    )


def laboratory(sheet: Sheet, panel: str, day: date) -> None:
    """The DiagnosticReport of a panel, with its Observations."""
    code, title, names = PANELS[panel]
    drawn = moment(day, 7.5)
    trends = dict(sheet.person.trends)
    results = [
        observation(sheet, MEASURES[name], trends[name], drawn) for name in names if name in trends
    ]
    sheet.add(
        "DiagnosticReport",
        status="final",
        category=[coded("v2-0074", "LAB")],
        code=concept(LOINC, code, title),
        subject=sheet.subject,
        effectiveDateTime=drawn.isoformat(),
        issued=(drawn + minutes(300)).isoformat(),
        performer=[network.organization(network.LABORATORY)],
        resultsInterpreter=[network.practitioner(network.BIOLOGIST)],
        result=[{"reference": f"Observation/{result['id']}"} for result in results],
    )


def imaging(sheet: Sheet, title: str, years: float, conclusion: str) -> None:
    """The DiagnosticReport of an image taken so many years ago."""
    taken = moment(years_before(sheet.today, years), 14)
    sheet.add(
        "DiagnosticReport",
        status="final",
        category=[coded("v2-0074", "RAD")],
        code={**IMAGING, "text": title},
        subject=sheet.subject,
        effectiveDateTime=taken.isoformat(),
        issued=(taken + minutes(180)).isoformat(),
        performer=[network.organization(network.HOSPITAL)],
        resultsInterpreter=[network.practitioner(network.RADIOLOGIST)],
        conclusion=conclusion,
    )
