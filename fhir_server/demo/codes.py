"""The codes that the made-up records use, each with its French display."""

from __future__ import annotations

from typing import NamedTuple

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ATC = "http://www.whocc.no/atc"
HL7 = "http://terminology.hl7.org/CodeSystem"


def concept(system: str, code: str, text: str) -> dict[str, object]:
    """A CodeableConcept of one coding, its text the display."""
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def coded(system: str, code: str) -> dict[str, object]:
    """A CodeableConcept of one HL7 code; `system` is the last part of its URL."""
    return {"coding": [{"system": f"{HL7}/{system}", "code": code}]}


class Measure(NamedTuple):
    """What a kind of observation is: LOINC code, display, UCUM unit, digits, normal range."""

    code: str
    text: str
    unit: str
    shown: str
    digits: int
    low: float | None = None
    high: float | None = None
    vital: bool = False


MEASURES: dict[str, Measure] = {
    "weight": Measure("29463-7", "Poids", "kg", "kg", 1, vital=True),
    "height": Measure("8302-2", "Taille", "cm", "cm", 1, vital=True),
    "head": Measure("9843-4", "Périmètre crânien", "cm", "cm", 1, vital=True),
    "bmi": Measure("39156-5", "Indice de masse corporelle", "kg/m2", "kg/m²", 1, vital=True),
    "pulse": Measure("8867-4", "Fréquence cardiaque", "/min", "/min", 0, 50, 100, True),
    "temperature": Measure("8310-5", "Température", "Cel", "°C", 1, 36, 37.8, True),
    "saturation": Measure("2708-6", "Saturation en oxygène", "%", "%", 0, 95, 100, True),
    "hba1c": Measure("4548-4", "Hémoglobine A1c", "%", "%", 1, 4, 6),
    "glucose": Measure("15074-8", "Glucose", "mmol/L", "mmol/L", 1, 3.9, 6.1),
    "creatinine": Measure("14682-9", "Créatinine", "umol/L", "µmol/L", 0, 50, 100),
    "egfr": Measure("62238-1", "DFG estimé (CKD-EPI)", "mL/min/{1.73_m2}", "mL/min/1,73 m²", 0, 90),
    "potassium": Measure("2823-3", "Potassium", "mmol/L", "mmol/L", 1, 3.5, 5.1),
    "ldl": Measure("22748-8", "Cholestérol LDL", "mmol/L", "mmol/L", 2, None, 3.4),
    "hdl": Measure("14646-4", "Cholestérol HDL", "mmol/L", "mmol/L", 2, 1.0),
    "triglycerides": Measure("14927-8", "Triglycérides", "mmol/L", "mmol/L", 2, None, 1.7),
    "tsh": Measure("3016-3", "TSH", "m[IU]/L", "mUI/L", 2, 0.4, 4.0),
    "inr": Measure("6301-6", "INR", "{INR}", "", 1, 2, 3),
    "bnp": Measure("33762-6", "NT-proBNP", "pg/mL", "pg/mL", 0, None, 450),
    "haemoglobin": Measure("718-7", "Hémoglobine", "g/dL", "g/dL", 1, 12, 16),
    "ferritin": Measure("2276-4", "Ferritine", "ng/mL", "ng/mL", 0, 20, 200),
    "ca153": Measure("6875-9", "CA 15-3", "U/mL", "U/mL", 1, None, 30),
    "vitamin-d": Measure("1989-3", "25-OH vitamine D3", "ng/mL", "ng/mL", 0, 30, 60),
    "peak-flow": Measure("33452-4", "Débit expiratoire de pointe", "L/min", "L/min", 0, vital=True),
}

SYSTOLIC = Measure("8480-6", "Pression artérielle systolique", "mm[Hg]", "mmHg", 0, 90, 140, True)
DIASTOLIC = Measure("8462-4", "Pression artérielle diastolique", "mm[Hg]", "mmHg", 0, 60, 90, True)
PRESSURE = concept(LOINC, "85354-9", "Pression artérielle")

REPORT = "11502-2"
"""A laboratory report, of anything."""

IMAGING = concept(LOINC, "18748-4", "Compte rendu d'imagerie")

PANELS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "diabetes": ("55399-0", "Bilan du diabète", ("hba1c", "glucose", "creatinine", "ldl")),
    "lipids": ("57698-3", "Bilan lipidique", ("ldl", "hdl", "triglycerides")),
    "kidney": ("24362-6", "Bilan rénal", ("creatinine", "egfr", "potassium")),
    "thyroid": (REPORT, "Bilan thyroïdien", ("tsh",)),
    "coagulation": (REPORT, "Surveillance d'un anticoagulant", ("inr",)),
    "heart": (REPORT, "Bilan cardiaque", ("bnp", "potassium", "creatinine")),
    "blood": (REPORT, "Numération et ferritine", ("haemoglobin", "ferritin")),
    "tumour": (REPORT, "Suivi de marqueur tumoral", ("ca153", "haemoglobin")),
    "bone": (REPORT, "Bilan phosphocalcique", ("vitamin-d",)),
}
"""A laboratory report by name: LOINC code, display, what it measures."""

VACCINES: dict[str, tuple[str, str]] = {
    "hexavalent": ("J07CA09", "Vaccin hexavalent DTCaP-Hib-HepB"),
    "pneumococcal": ("J07AL02", "Vaccin antipneumococcique conjugué"),
    "meningococcal": ("J07AH08", "Vaccin antiméningococcique ACWY"),
    "mmr": ("J07BD52", "Vaccin rougeole-oreillons-rubéole"),
    "dtcap": ("J07CA02", "Vaccin DTCaP, rappel"),
    "dtp": ("J07CA01", "Vaccin dTP, rappel"),
    "hpv": ("J07BM03", "Vaccin contre les papillomavirus"),
    "influenza": ("J07BB02", "Vaccin contre la grippe saisonnière"),
    "covid": ("J07BN01", "Vaccin contre la covid-19 à ARNm"),
    "zoster": ("J07BK03", "Vaccin contre le zona"),
}
