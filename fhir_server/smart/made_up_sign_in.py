"""Sign-in without a human, for conformance suites on loopback: `FHIR_TEST_SIGN_IN`.

Off by default, and a server that listens on another address refuses to start with it.
"""

from __future__ import annotations

from fhir_server.access.scopes import intersect, parse_scopes
from fhir_server.settings import Settings
from fhir_server.smart.authorize import Approval, PendingAuthorization

SUBJECT = "test-user"


def made_up_approval(pending: PendingAuthorization, settings: Settings, now: float) -> Approval:
    """What the made-up person grants: all that is asked, but for what the settings leave out."""
    scope = pending.scope
    if settings.test_scope:
        scope = str(intersect(pending.scopes, parse_scopes(settings.test_scope)))
    launched = pending.launch is not None and pending.launch.patient is not None
    return Approval(
        subject=SUBJECT,
        scope=scope,
        auth_time=int(now),
        fhir_user=settings.test_user or None,
        patient=None if launched else settings.test_patient or None,
        encounter=None if launched else settings.test_encounter or None,
    )
