"""Days and moments of the made-up care, in French time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone


def years_before(day: date, years: float) -> date:
    """The day so many years earlier."""
    return day - timedelta(days=round(years * 365.25))


def minutes(count: int) -> timedelta:
    """A span of so many minutes."""
    return timedelta(minutes=count)


def moment(day: date, hour: float) -> datetime:
    """The day at that hour (to five minutes), with the offset that France had on it.

    Reckoned here rather than read from a time zone database, which not every machine has.
    """
    at = round(hour * 12) * 5
    summer = _last_sunday(day.year, 3) <= day < _last_sunday(day.year, 10)
    zone = timezone(timedelta(hours=2 if summer else 1))
    return datetime.combine(day, time(at // 60, at % 60), zone)


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)
