"""Where in a Bundle an error arose: its issues get the entry's place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from fhir_server.errors import FhirError, Issue

_PLACED = "Bundle.entry["


class _Place(ABC):
    """A block whose errors get their place. A class: every entry has many of these blocks."""

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, FhirError):
            raise self._placed(error) from None

    @abstractmethod
    def _placed(self, error: FhirError) -> FhirError: ...


class below(_Place):  # noqa: N801
    """Errors raised inside get their places moved below `place`, unless they name an entry."""

    __slots__ = ()

    def _placed(self, error: FhirError) -> FhirError:
        return moved_below(error, self._place)


class at(_Place):  # noqa: N801
    """Errors raised inside get `place` itself as theirs."""

    __slots__ = ()

    def _placed(self, error: FhirError) -> FhirError:
        issues = [Issue(i.severity, i.code, i.diagnostics, (self._place,)) for i in error.issues]
        return type(error)(issues=issues, headers=error.headers)


def moved_below(error: FhirError, place: str) -> FhirError:
    """The error with its places below `place`, unless they name an entry already."""
    if any(where.startswith(_PLACED) for issue in error.issues for where in issue.expression):
        return error
    return error.within(place)
