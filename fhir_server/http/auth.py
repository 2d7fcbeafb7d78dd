"""From a request's credentials to the Grant that it acts under."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.access.grant import Grant
from fhir_server.settings import Settings

OPEN = Grant.open()
CLOSED = Grant.closed()
CHALLENGE = ("WWW-Authenticate", 'Bearer realm="fhir"')


def grant_for(headers: Mapping[str, str], settings: Settings) -> Grant:
    """The grant of the caller: everything where the server was started open, else nothing."""
    return OPEN if settings.access == "open" else CLOSED
