"""Who may sign in to the demo, and the app that they can try."""

from __future__ import annotations

from typing import Any, NamedTuple

PASSWORD = "demo-password"  # noqa: S105 - it is printed

APP = "demo-app"
SCOPE = (
    "openid fhirUser profile launch launch/patient launch/encounter online_access offline_access "
    "patient/*.cruds user/*.cruds"
)


class DemoAccount(NamedTuple):
    """One account: sign-in name, what pages call it, FHIR user, whom it opens, what it shows."""

    name: str
    title: str
    fhir_user: str | None
    patients: tuple[str, ...]
    shows: str


PATIENT = "yanis-delorvel"
PRACTITIONER = "maravel"
ACCOUNTS = (
    DemoAccount("yanis", "Yanis Delorvel", f"Patient/{PATIENT}", (), "a patient, his own record"),
    DemoAccount(
        "camille",
        "Camille Farelle",
        "RelatedPerson/camille-farelle",
        ("lison-farelle", "noe-castagnier"),
        "a representative, the records of two children",
    ),
    DemoAccount(
        PRACTITIONER, "Ondine Maravel", "Practitioner/generaliste", (), "a doctor, every record"
    ),
    DemoAccount("admin", "Admin", None, (), "an administrator, no health data"),
)


def representative() -> dict[str, Any]:
    """The RelatedPerson behind the representative's account."""
    return {
        "resourceType": "RelatedPerson",
        "id": "camille-farelle",
        "active": True,
        "patient": {"reference": "Patient/lison-farelle"},
        "name": [{"use": "official", "family": "Farelle", "given": ["Camille"]}],
    }


def app_metadata() -> dict[str, Any]:
    """The sample app's registration: a public client on whichever port of this machine."""
    return {
        "client_name": "Blood sugar",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/"],
        "launch_uri": "http://127.0.0.1/",
        "scope": SCOPE,
    }
