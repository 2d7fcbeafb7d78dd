"""What is told by `$validate` alone, and refuses no write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.validation.displays import Displays, check_display
from fhir_server.validation.documents import check_reachable
from fhir_server.validation.faults import Faults
from fhir_server.validation.native import NATIVE
from fhir_server.validation.rule import Holder, Walk

__all__ = ["advice"]


def advice(displays: Displays) -> Mapping[str, Walk]:
    """R4's rules that are no FHIRPath, and what is only advised, by type."""

    def bundle(value: Any, owner: dict[str, Any], holder: Holder) -> Faults:
        faults = NATIVE["Bundle"](value, owner, holder)
        return (faults or []) + (check_reachable(value, owner, holder) or []) or None

    return {**NATIVE, "Bundle": bundle, "Coding": check_display(displays)}
