"""Check of a CodeableConcept whose value set is required.

https://hl7.org/fhir/R4/terminologies.html#code: one of the codings has to be of the value set.
"""

from __future__ import annotations

from typing import Any

from fhir_server.validation.faults import Check, Faults, State
from fhir_server.validation.primitive import one_of

__all__ = ["check_concept"]


def check_concept(plain: Check, codings: dict[str, list[str]], value_set: str) -> Check:
    """The check of one CodeableConcept against system -> codes."""
    allowed = {(system, code) for system, codes in codings.items() for code in codes}
    codes = frozenset(code for _, code in allowed)

    def check(value: Any, owner: dict[str, Any], state: State) -> Faults:
        faults = plain(value, owner, state)
        if faults is not None:
            return faults
        if any(
            (coding.get("system"), coding.get("code")) in allowed
            for coding in value.get("coding", ())
        ):
            return None
        if "coding" not in value and "text" not in value:
            return None  # an extension stands for it (data-absent-reason)
        systems = " or ".join(codings)
        text = f"one coding must be of {systems}: {one_of(codes, value_set)}"
        return state.fault("code-invalid", text)

    return check
