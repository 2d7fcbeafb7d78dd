"""Compartments: https://hl7.org/fhir/R4/compartmentdefinition.html."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.fhir.definitions import Definitions


class Compartments:
    """Which compartments a resource lies in, by the references that its parameters found."""

    def __init__(self, definitions: Definitions) -> None:
        starts: dict[str, dict[str, list[str]]] = {}
        for compartment, members in definitions.compartments.items():
            for type_, codes in members.items():
                for code in codes:
                    starts.setdefault(type_, {}).setdefault(code, []).append(f"{compartment}/")
        self._starts = {
            type_: {code: tuple(found) for code, found in codes.items()}
            for type_, codes in starts.items()
        }
        """By type and parameter, what the references begin with that put a resource into one."""
        self.own = frozenset(definitions.compartments)
        """The types of the resources that are compartments themselves."""

    def keys(self, type_: str, references: Iterable[tuple[str, str]]) -> dict[str, None]:
        """`in=Patient/1` for each compartment that it lies in by the references."""
        found: dict[str, None] = {}
        starts = self._starts.get(type_)
        if starts is not None:
            for code, target in references:
                owners = starts.get(code)
                if owners is not None and target.startswith(owners):
                    found[f"in={target}"] = None
        return found
