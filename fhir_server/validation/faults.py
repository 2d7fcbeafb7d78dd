"""Faults on their way up: a check returns None, or what it found, and each parent adds its step.

So a resource without faults costs no paths at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

from fhir_server.errors import Issue

__all__ = ["LIMIT", "Check", "Fault", "Faults", "State", "above", "issues", "json_type", "shown"]

LIMIT = 200
"""Issues of one severity that a resource can have; that there are more is one more."""


class Fault:
    """One fault; `steps` lead from it up to the root."""

    __slots__ = ("code", "severity", "steps", "text")

    def __init__(self, code: str, text: str, step: str = "", severity: str = "error") -> None:
        self.code = code
        self.text = text
        self.severity = severity
        self.steps = [step] if step else []

    def issue(self, root: str) -> Issue:
        """The issue, its place beginning at `root`."""
        return Issue(self.severity, self.code, self.text, (root + "".join(reversed(self.steps)),))


Faults: TypeAlias = list[Fault] | None


class State:
    """What one validation knows beyond the value at hand."""

    # Every resource has one of these, and few of them any fault: what is mostly so is told here.
    quiet = False
    """Whether only errors are asked for."""
    cut: frozenset[str] = frozenset()
    """Severities of which there was more to tell."""
    ruled = False
    """Whether a value was met that more is to be said of than structure tells."""
    _indexed: Any = None
    _contained: Mapping[Any, dict[str, Any]] = MappingProxyType({})

    def __init__(self, container: dict[str, Any], lenient: bool = False) -> None:
        self.container = container
        """The resource whose `contained` local references point into."""
        self.lenient = lenient
        self.left: dict[str, int] = {}
        """Severity -> how many more may be told: warnings must not crowd out errors."""

    def contained(self, id_: str) -> dict[str, Any] | None:
        """What `container` contains under an id; looked up, however many references there are."""
        if self._indexed is not self.container:
            items = self.container.get("contained")
            found = items if type(items) is list else []
            self._contained = {
                item["id"]: item
                for item in found
                if type(item) is dict and type(item.get("id")) is str
            }
            self._indexed = self.container
        return self._contained.get(id_)

    @property
    def is_full(self) -> bool:
        """Whether no further error would be told."""
        return self.left.get("error") == 0

    def soft(self, code: str, text: str) -> Faults:
        """A fault that hinders nobody from reading the rest: a warning where that will do."""
        return self.fault(code, text, severity="warning" if self.lenient else "error")

    def fault(self, code: str, text: str, step: str = "", severity: str = "error") -> Faults:
        """One fault, or None (and `cut`) where there are too many of its severity already."""
        if self.quiet and severity != "error":
            return None
        left = self.left.get(severity, LIMIT)
        if left == 0:
            self.cut |= {severity}
            return None
        self.left[severity] = left - 1
        return [Fault(code, text, step, severity)]


Check: TypeAlias = Callable[[Any, dict[str, Any], State], Faults]
"""Value, the object that it is a property of, state -> faults."""


def issues(look: Callable[[], Faults], state: State, root: str) -> list[Issue]:
    """The issues of what a check finds, those beyond `LIMIT` as one that says so."""
    try:
        faults = look()
    except RecursionError:
        text = "the resource is nested too deeply to be validated: flatten it"
        faults = [Fault("too-costly", text)]
    found = [fault.issue(root) for fault in faults or ()]
    for severity in sorted(state.cut):
        text = f"there are more than {LIMIT} of severity {severity}: correct these first"
        found.append(Issue(severity, "too-long", text, (root,)))
    return found


def above(faults: list[Fault], step: str) -> list[Fault]:
    """The faults, seen from one step higher."""
    for fault in faults:
        fault.steps.append(step)
    return faults


def json_type(value: Any) -> str:
    """What JSON calls a decoded value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float | Decimal):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def shown(value: Any) -> str:
    """A value for a message: short, and never the whole of a long one."""
    if isinstance(value, list | dict):
        return json_type(value)
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of very many digits"  # which Python itself refuses to write
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 60 else f"{text[:56]}..."
