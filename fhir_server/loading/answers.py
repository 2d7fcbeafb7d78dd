"""What a server's answers say: the reasons of a refusal, the entries of a batch that failed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class _Issue(msgspec.Struct):
    code: str = ""
    diagnostics: str = ""
    details: dict[str, object] = {}
    expression: list[str] = []


class _Outcome(msgspec.Struct):
    issue: list[_Issue] = []


class _Response(msgspec.Struct):
    status: str = ""
    outcome: msgspec.Raw = msgspec.Raw(b"")


class _Entry(msgspec.Struct):
    response: _Response = msgspec.field(default_factory=_Response)


class _Answer(msgspec.Struct):
    entry: list[_Entry] = []


def reasons(body: bytes) -> tuple[str, ...]:
    """The issues of an OperationOutcome, a line each: where, what."""
    try:
        issues = msgspec.json.decode(body, type=_Outcome).issue
    except msgspec.MsgspecError:
        return (body[:200].decode(errors="replace"),)
    return tuple(
        f"{', '.join(issue.expression) or issue.code}: "
        f"{issue.diagnostics or issue.details.get('text', issue.code)}"
        for issue in issues
    )


def refusals(body: bytes) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Place, status and reasons of each failed entry of a batch's answer.

    The answer to a transaction has none: it fails as a whole.
    """
    try:
        entries = msgspec.json.decode(body, type=_Answer).entry
    except msgspec.MsgspecError:
        return
    for number, entry in enumerate(entries):
        status = entry.response.status[:3]
        if status.isdigit() and int(status) >= 400:
            yield f"entry[{number}]", int(status), reasons(bytes(entry.response.outcome))
