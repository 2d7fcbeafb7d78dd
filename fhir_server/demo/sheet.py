"""What one person's record is written on."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from fhir_server.demo.calendar import years_before
from fhir_server.demo.codes import Measure
from fhir_server.demo.person import Person, Trend
from fhir_server.demo.values import value

YEARS = 10
Resource = dict[str, Any]


class Sheet:
    """A person's resources, numbered by type; days and values come from the person's own seed.

    The same seed and day give the same bytes, where all is written in the same order.
    """

    def __init__(self, person: Person, order: int, today: date) -> None:
        self.person = person
        self.order = order
        self.today = today
        self.start = max(person.birth, years_before(today, YEARS))
        self.subject = {
            "reference": f"Patient/{person.id}",
            "display": f"{person.given[0]} {person.family}",
        }
        self.resources: list[Resource] = []
        self._random = Random(f"{person.id} {today}")
        self._counts: dict[str, int] = {}

    def add(self, type_: str, **fields: Any) -> Resource:
        """A further resource of the type, with the next id."""
        number = self._counts[type_] = self._counts.get(type_, 0) + 1
        resource = {"resourceType": type_, "id": f"{self.person.id}-{number}", **fields}
        self.resources.append(resource)
        return resource

    def chance(self) -> float:
        """The next number from 0 to 1."""
        return self._random.random()

    def value(self, trend: Trend, at: datetime, measure: Measure) -> Decimal:
        """What is measured at a time, by the trend over the years."""
        way = (at.date() - self.start).days / max(1, (self.today - self.start).days)
        return value(trend, way, self._random, measure.digits)

    def days(self, times: int) -> list[date]:
        """Days from the first to today, about `times` a year, none on a Sunday."""
        gap = 365.25 / times
        days = []
        at = gap * self.chance()
        while (day := self.start + timedelta(days=round(at))) < self.today:
            days.append(day + timedelta(days=1) if day.weekday() == 6 else day)
            at += gap * (0.8 + 0.4 * self.chance())
        return days
