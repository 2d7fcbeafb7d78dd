"""All functions whose arguments are ordinary values, by name."""

from __future__ import annotations

from fhir_server.fhir.fhirpath import (
    boundaries,
    collection,
    conversion,
    fhir_functions,
    mathematics,
    strings,
)
from fhir_server.fhir.fhirpath.function import Function

FUNCTIONS: dict[str, Function] = {
    **collection.TABLE,
    **conversion.TABLE,
    **strings.TABLE,
    **mathematics.TABLE,
    **boundaries.TABLE,
    **fhir_functions.TABLE,
}
