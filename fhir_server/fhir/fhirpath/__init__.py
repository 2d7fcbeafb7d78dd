"""FHIRPath on R4: our own engine, parsed once and compiled to closures.

https://hl7.org/fhirpath/N1/, http://hl7.org/fhir/R4/fhirpath.html

    evaluate("Patient.name.given", patient)          -> ["Peter", "James"]
    compile("Patient.name").nodes(patient)           -> [("HumanName", {...}, None)]
    compile("name.exists() or telecom.exists()").check(contact, patient, type_="Patient.contact")
"""

from fhir_server.fhir.fhirpath.compiled import Compiled, compile, evaluate
from fhir_server.fhir.fhirpath.errors import (
    ExecutionFault,
    FhirPathError,
    SemanticFault,
    SyntaxFault,
)
from fhir_server.fhir.fhirpath.shapes import Node
from fhir_server.fhir.fhirpath.walks import Walk

__all__ = [
    "Compiled",
    "ExecutionFault",
    "FhirPathError",
    "Node",
    "SemanticFault",
    "SyntaxFault",
    "Walk",
    "compile",
    "evaluate",
]
