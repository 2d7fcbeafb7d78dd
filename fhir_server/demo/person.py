"""What is told of a made-up person: the seed that a record is grown from."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple


class Trend(NamedTuple):
    """A measured value over the years: where it starts and ends, and how far it strays."""

    start: float
    end: float
    spread: float


class Illness(NamedTuple):
    """A diagnosis: ICD-10 code, display, years before today it began, months until it ended."""

    code: str
    text: str
    years: float
    months: int | None = None


class Treatment(NamedTuple):
    """A prescription: ATC code, display, dosage, years before today, still running."""

    code: str
    text: str
    dosage: str
    times: int
    years: float
    running: bool = True


class Person(NamedTuple):
    """One made-up person.

    `visits` is consultations per year, `pressure` the systolic and diastolic trend, `panels` are
    laboratory reports with times per year, `allergies` category, substance and criticality,
    `vaccines` name and age in years, `imaging` title, years before today and conclusion.
    """

    id: str
    given: tuple[str, ...]
    family: str
    gender: str
    birth: date
    commune: str
    city: str
    postcode: str
    visits: int
    illnesses: tuple[Illness, ...] = ()
    treatments: tuple[Treatment, ...] = ()
    trends: tuple[tuple[str, Trend], ...] = ()
    pressure: tuple[Trend, Trend] | None = None
    panels: tuple[tuple[str, int], ...] = ()
    allergies: tuple[tuple[str, str, str], ...] = ()
    vaccines: tuple[tuple[str, float], ...] = ()
    imaging: tuple[tuple[str, float, str], ...] = ()
    specialist: str = ""
    guardian: str = ""
