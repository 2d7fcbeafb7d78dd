"""Every error that a caller can be told about, and the one table that gives it a status.

FhirError
  MalformedRequest        400 invalid        a header, a path or a parameter is wrong
    MalformedContent      400 structure      the body is no JSON, XML or FHIR at all
    UnsupportedParameter  400 not-supported  a search parameter, modifier or prefix
  Unauthenticated         401 login
  Forbidden               403 forbidden
  NotFound                404 not-found
  UnknownType             404 not-supported
  MethodNotAllowed        405 not-supported
  NotAcceptable           406 not-supported
  Conflict                409 conflict
    DuplicateId           409 duplicate
  Gone                    410 deleted
  PreconditionFailed      412 conflict
    MultipleMatches       412 multiple-matches
  TooLarge                413 too-long
  UnsupportedMediaType    415 not-supported
  RangeNotSatisfiable     416 invalid
  Unprocessable           422 processing     the content breaks a rule of FHIR or of ours
  TooCostly               422 too-costly
  TooManyRequests         429 throttled
  ServerFault             500 exception
  NotSupported            501 not-supported
  Unavailable             503 transient
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One `OperationOutcome.issue`.

    `severity` is fatal, error, warning or information; `code` is of IssueType; `expression` has
    FHIRPath places (`Patient.birthDate`, `Bundle.entry[2].resource.name[0]`).
    """

    severity: str
    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()


class FhirError(Exception):
    """An answer other than success. `issues` is never empty; the first one names the cause."""

    def __init__(
        self,
        diagnostics: str = "",
        *,
        expression: str | Sequence[str] = (),
        code: str | None = None,
        issues: Sequence[Issue] | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        places = (expression,) if isinstance(expression, str) else tuple(expression)
        if issues is None:
            issues = [Issue("error", code or default_code(type(self)), diagnostics, places)]
        super().__init__(diagnostics or "; ".join(issue.diagnostics for issue in issues))
        self.issues = tuple(issues)
        self.headers = tuple(headers)

    @property
    def status(self) -> int:
        """The HTTP status of this class of error."""
        return _row(type(self))[0]

    def within(self, place: str) -> FhirError:
        """The same error, its places moved below `place` (such as `Bundle.entry[3].resource`).

        A place that begins with a type's name loses it; an issue without a place gets `place`.
        """
        moved = [
            Issue(i.severity, i.code, i.diagnostics, _moved(i.expression, place))
            for i in self.issues
        ]
        return type(self)(issues=moved, headers=self.headers)


class MalformedRequest(FhirError):
    pass


class MalformedContent(MalformedRequest):
    pass


class UnsupportedParameter(MalformedRequest):
    pass


class Unauthenticated(FhirError):
    pass


class Forbidden(FhirError):
    pass


class NotFound(FhirError):
    pass


class UnknownType(FhirError):
    pass


class MethodNotAllowed(FhirError):
    pass


class NotAcceptable(FhirError):
    pass


class Conflict(FhirError):
    pass


class DuplicateId(Conflict):
    pass


class Gone(FhirError):
    pass


class PreconditionFailed(FhirError):
    pass


class MultipleMatches(PreconditionFailed):
    pass


class TooLarge(FhirError):
    pass


class UnsupportedMediaType(FhirError):
    pass


class RangeNotSatisfiable(FhirError):
    pass


class Unprocessable(FhirError):
    pass


class TooCostly(FhirError):
    pass


class TooManyRequests(FhirError):
    pass


class ServerFault(FhirError):
    pass


class NotSupported(FhirError):
    pass


class Unavailable(FhirError):
    pass


TABLE: dict[type[FhirError], tuple[int, str]] = {
    MalformedRequest: (400, "invalid"),
    MalformedContent: (400, "structure"),
    UnsupportedParameter: (400, "not-supported"),
    Unauthenticated: (401, "login"),
    Forbidden: (403, "forbidden"),
    NotFound: (404, "not-found"),
    UnknownType: (404, "not-supported"),
    MethodNotAllowed: (405, "not-supported"),
    NotAcceptable: (406, "not-supported"),
    Conflict: (409, "conflict"),
    DuplicateId: (409, "duplicate"),
    Gone: (410, "deleted"),
    PreconditionFailed: (412, "conflict"),
    MultipleMatches: (412, "multiple-matches"),
    TooLarge: (413, "too-long"),
    UnsupportedMediaType: (415, "not-supported"),
    RangeNotSatisfiable: (416, "invalid"),
    Unprocessable: (422, "processing"),
    TooCostly: (422, "too-costly"),
    TooManyRequests: (429, "throttled"),
    ServerFault: (500, "exception"),
    NotSupported: (501, "not-supported"),
    Unavailable: (503, "transient"),
}


def default_code(error: type[FhirError]) -> str:
    """The IssueType that a class of error has unless it is raised with another one."""
    return _row(error)[1]


def _row(error: type[FhirError]) -> tuple[int, str]:
    for base in error.__mro__:
        if base in TABLE:
            return TABLE[base]
    return 500, "exception"


def _moved(places: tuple[str, ...], below: str) -> tuple[str, ...]:
    if not places:
        return (below,)
    moved = []
    for place in places:
        head, dot, rest = place.partition(".")
        named = head[:1].isupper()
        moved.append((f"{below}.{rest}" if dot else below) if named else f"{below}.{place}")
    return tuple(moved)
