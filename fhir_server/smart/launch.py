"""What an EHR says of a launch, and what apps are told of it.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator

from fhir_server.access.grant import Grant
from fhir_server.fhir.codec import decode
from fhir_server.smart.errors import OAuthError
from fhir_server.store.resources import Store

_ID = {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["client_id"],
    "additionalProperties": False,
    "properties": {
        "client_id": _TEXT,
        "user": _TEXT,
        "patient": _ID,
        "encounter": _ID,
        "fhirContext": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "anyOf": [
                    {"required": ["reference"]},
                    {"required": ["canonical"]},
                    {"required": ["identifier"]},
                ],
                "properties": {
                    "reference": {"type": "string", "pattern": r"^[A-Z][A-Za-z]+/[A-Za-z0-9\-.]+$"},
                    "canonical": _TEXT,
                    "identifier": {"type": "object"},
                    "type": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
                    "role": _TEXT,
                },
            },
        },
        "need_patient_banner": {"type": "boolean"},
        "intent": _TEXT,
        "tenant": _TEXT,
    },
}
_VALIDATOR = Draft202012Validator(_SCHEMA)
MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """One launch that an EHR announced: who it is for (`client_id`, `user`) and its context.

    `user` is the account's id or its FHIR user; None binds the launch to nobody in particular.
    """

    client_id: str
    user: str | None = None
    patient: str | None = None
    encounter: str | None = None
    fhir_context: tuple[Mapping[str, Any], ...] = ()
    need_patient_banner: bool = True
    intent: str | None = None
    tenant: str | None = None

    def document(self) -> dict[str, Any]:
        """The launch as the database keeps it."""
        return {**asdict(self), "fhir_context": [dict(entry) for entry in self.fhir_context]}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> LaunchContext:
        """The launch of such a document."""
        return cls(**{**document, "fhir_context": tuple(document["fhir_context"])})

    def parameters(self, style_url: str) -> dict[str, Any]:
        """What the token endpoint adds to its answer, apart from patient and encounter."""
        told: dict[str, Any] = {
            "need_patient_banner": self.need_patient_banner,
            "smart_style_url": style_url,
        }
        if self.fhir_context:
            told["fhirContext"] = [dict(entry) for entry in self.fhir_context]
        if self.intent:
            told["intent"] = self.intent
        if self.tenant:
            told["tenant"] = self.tenant
        return told


def parse_launch(announced: object) -> LaunchContext:
    """The launch that an EHR announces in JSON. Raises OAuthError, naming the place."""
    for fault in sorted(_VALIDATOR.iter_errors(announced), key=lambda error: error.json_path):
        raise OAuthError("invalid_request", f"{fault.json_path}: {fault.message[:150]}")
    given = cast("dict[str, Any]", announced)
    context = tuple(given.get("fhirContext", ()))
    for entry in context:
        type_ = entry.get("type") or str(entry.get("reference", "")).partition("/")[0]
        if type_ in ("Patient", "Encounter") and entry.get("role", "launch") == "launch":
            raise OAuthError(
                "invalid_request", f"fhirContext: a {type_} needs a role of its own, not launch"
            )
    if "encounter" in given and "patient" not in given:
        raise OAuthError("invalid_request", "encounter: its patient is missing")
    return LaunchContext(
        client_id=given["client_id"],
        user=given.get("user"),
        patient=given.get("patient"),
        encounter=given.get("encounter"),
        fhir_context=context,
        need_patient_banner=given.get("need_patient_banner", True),
        intent=given.get("intent"),
        tenant=given.get("tenant"),
    )


async def context_fault(store: Store, patient: str | None, encounter: str | None) -> str | None:
    """Why these cannot be a launch's context together: the encounter is not of the patient."""
    if encounter is None:
        return None
    grant = Grant.system("launch: does the encounter belong to the patient?")
    found = await store.current("Encounter", encounter, grant)
    if found is None or found.deleted:
        return "the encounter does not exist"
    subject = decode(found.raw, max_bytes=len(found.raw) + 1, max_depth=1000).get("subject", {})
    if patient is None or subject.get("reference") != f"Patient/{patient}":
        return "the encounter is not of this patient"
    return None
