"""OperationOutcome resources (https://hl7.org/fhir/R4/operationoutcome.html)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.errors import Issue
from fhir_server.fhir import codec

ALL_OK = Issue("information", "informational", "All OK")


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome of the issues; of none, it says that all is well."""
    entries = [_entry(issue) for issue in issues] or [_entry(ALL_OK)]
    return {"resourceType": "OperationOutcome", "issue": entries}


def outcome_bytes(issues: Iterable[Issue]) -> bytes:
    """The same as JSON bytes."""
    return codec.encode(outcome(issues))


def information(text: str) -> dict[str, Any]:
    """An OperationOutcome that tells of a success."""
    return outcome([Issue("information", "informational", text)])


def _entry(issue: Issue) -> dict[str, Any]:
    entry: dict[str, Any] = {"severity": issue.severity, "code": issue.code}
    if issue.diagnostics:
        entry["diagnostics"] = issue.diagnostics
    if issue.expression:
        entry["expression"] = list(issue.expression)
    return entry
