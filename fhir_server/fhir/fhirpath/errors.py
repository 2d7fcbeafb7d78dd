"""What can be wrong with a FHIRPath expression.

FhirPathError (400)
  SyntaxFault      the text is no expression
  SemanticFault    it names an element, a type or a function that there is not
  ExecutionFault   the values do not fit: more than one where one is asked, text plus number
"""

from __future__ import annotations

from typing import Any

from fhir_server.errors import MalformedRequest


class FhirPathError(MalformedRequest):
    """`position` is the offset in the expression's text, or None where it is not known."""

    def __init__(self, diagnostics: str = "", *, position: int | None = None, **rest: Any) -> None:
        place = "" if position is None else f" (at character {position + 1})"
        super().__init__(diagnostics + place, **rest)
        self.position = position


class SyntaxFault(FhirPathError):
    pass


class SemanticFault(FhirPathError):
    pass


class ExecutionFault(FhirPathError):
    pass
