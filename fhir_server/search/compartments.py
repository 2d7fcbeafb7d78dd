"""Compartments: https://hl7.org/fhir/R4/compartmentdefinition.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_server.fhir.definitions import Definitions


class Compartments:
    """Which compartments a resource lies in, by the references that its parameters found."""

    def __init__(self, definitions: Definitions) -> None:
        self._codes: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for compartment, members in definitions.compartments.items():
            for type_, codes in members.items():
                self._codes.setdefault(type_, []).append((f"{compartment}/", codes))
        self._own = frozenset(definitions.compartments)

    def keys(
        self, type_: str, id_: str | None, references: Mapping[str, Sequence[str]]
    ) -> list[str]:
        """`in=Patient/1` for each compartment, the resource's own included where it has one."""
        found: dict[str, None] = {}
        if id_ and type_ in self._own:
            found[f"in={type_}/{id_}"] = None
        for start, codes in self._codes.get(type_, ()):
            for code in codes:
                for reference in references.get(code, ()):
                    if reference.startswith(start):
                        found[f"in={reference}"] = None
        return list(found)
