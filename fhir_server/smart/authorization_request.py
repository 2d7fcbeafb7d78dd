"""What an authorization request must look like: the rules, without any I/O.

RFC 6749, 4.1.1; RFC 7636, 4.3; RFC 8707; OpenID Connect Core, 3.1.2.1; SMART App Launch 2.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from fhir_server.access.scopes import Scopes, intersect, parse_scopes
from fhir_server.errors import MalformedRequest
from fhir_server.exchange import Pairs
from fhir_server.smart.clients import Client
from fhir_server.smart.errors import OAuthError

KNOWN = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "aud", "resource", "launch"),
    *("code_challenge", "code_challenge_method", "nonce", "prompt", "max_age", "login_hint"),
    *("ui_locales", "response_mode", "dpop_jkt", "request", "request_uri"),
)
PROMPTS = frozenset(("none", "login", "consent", "select_account"))
LONGEST = 4_096

Understood = Callable[[Scopes], Scopes]
"""The scopes, with granular ones that nothing can answer among the unknown."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_MAX_AGE = re.compile(r"[0-9]{1,9}\Z")


def checked(pairs: Pairs, base: str) -> dict[str, str]:
    """The parameters of a request in order, by name; `base` is the FHIR base of this server.

    Client, redirect URI, scopes and launch are the caller's to check. Raises OAuthError.
    """
    given = once(pairs, KNOWN)
    for name in ("request", "request_uri"):
        if name in given:
            raise OAuthError(f"{name}_not_supported", f"{name}: send plain parameters")
    if given.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type: it must be code")
    if given.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "response_mode: it must be query")
    _check_audience(given, base)
    _check_challenge(given)
    prompt = given.get("prompt", "login")
    if not set(prompt.split()) <= PROMPTS or ("none" in prompt and prompt != "none"):
        raise OAuthError("invalid_request", "prompt: it is not one of OpenID Connect's")
    if not _MAX_AGE.match(given.get("max_age", "0")):
        raise OAuthError("invalid_request", "max_age: it must be a number of seconds")
    return given


def askable(client: Client, scope: str, understood: Understood) -> Scopes:
    """What of the scopes a person may be asked for: system/ is for backend services.

    Granular scopes that no search of the type can answer are left out.

    Raises OAuthError `invalid_scope` where nothing is left.
    """
    try:
        asked = parse_scopes(scope)
    except MalformedRequest as error:
        raise OAuthError("invalid_scope", str(error)) from None
    for_people = tuple(s for s in asked.resources if s.level != "system")
    asked = replace(understood(replace(asked, resources=for_people)), unknown=())
    if client.scope:
        asked = intersect(asked, parse_scopes(client.scope))
    if "refresh_token" not in client.grant_types:
        asked = asked.without(("offline_access", "online_access"))
    if not asked.resources and not asked.named:
        raise OAuthError("invalid_scope", "scope: none of these can be granted to this app")
    return asked


def _check_audience(given: Mapping[str, str], base: str) -> None:
    # `resource` (RFC 8707) is a synonym that SMART allows; both must be right where both come.
    asked = [given[name] for name in ("aud", "resource") if name in given]
    if not asked:
        raise OAuthError("invalid_request", f"aud: it is missing; send {base}")
    if any(value.removesuffix("/") != base for value in asked):
        raise OAuthError("invalid_request", f"aud: this server is {base}")


def once(pairs: Pairs, names: tuple[str, ...]) -> dict[str, str]:
    """The parameters of these names that have a value; unknown ones are ignored (RFC 6749, 3.1)."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in names or not value:
            continue
        if name in given:
            raise OAuthError("invalid_request", f"{name}: it comes more than once")
        if len(value) > LONGEST and name != "scope":
            raise OAuthError("invalid_request", f"{name}: it is too long")
        given[name] = value
    return given


def _check_challenge(given: Mapping[str, str]) -> None:
    if "code_challenge" not in given:
        raise OAuthError("invalid_request", "code_challenge: PKCE is required of every app")
    if given.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "code_challenge_method: it must be S256")
    if not _CHALLENGE.match(given["code_challenge"]):
        raise OAuthError("invalid_request", "code_challenge: it is no SHA-256 in base64url")
