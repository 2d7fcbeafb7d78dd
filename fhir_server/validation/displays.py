"""Displays of codes, held to what the code system says.

https://hl7.org/fhir/R4/datatypes.html#Coding: the display is a representation of the meaning of the
code in the system, following its rules. Another one misleads whoever reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fhir_server.search.folding import fold
from fhir_server.validation.faults import Faults, shown
from fhir_server.validation.rule import Holder, Walk

__all__ = ["Displays", "check_display"]

Displays = Callable[[str, str, str, str], Sequence[str]]
"""System, version, code, language -> how the code may be displayed; empty: nobody can tell."""


def check_display(displays: Displays) -> Walk:
    """The check of a Coding; case, accents and punctuation of its display do not count."""

    def check(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        display, system, code = value.get("display"), value.get("system"), value.get("code")
        if display is None or system is None or code is None:
            return None
        language = holder.resource.get("language", "")
        right = displays(system, value.get("version", ""), code, language)
        if not right or fold(display) in map(fold, right):
            return None
        text = f"{shown(display)} is no display of {shown(code)} of {system}: it is '{right[0]}'"
        return holder.fault("value", text, ".display", severity="warning")

    return check
