"""What a client says of itself when it is registered (RFC 7591, 2), checked.

The same rules hold for the clients file, the command line and dynamic registration.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from fhir_server.settings import is_loopback
from fhir_server.smart import redirects
from fhir_server.smart.errors import OAuthError
from fhir_server.smart.public_keys import public_key

ASSERTION_ALGORITHMS = ("RS384", "ES384")
"""The algorithms of `private_key_jwt`: those that SMART names."""

GRANTS = ("authorization_code", "refresh_token", "client_credentials")
NONE, BASIC, ASSERTION = "none", "client_secret_basic", "private_key_jwt"
METHODS = (NONE, BASIC, ASSERTION)
MOST_KEYS = 20

_TEXT = {"type": "string", "minLength": 1, "maxLength": 200}
_URL = {"type": "string", "minLength": 1, "maxLength": 2000, "pattern": "^https?://"}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "redirect_uris": {
            "type": "array",
            "maxItems": 20,
            "uniqueItems": True,
            "items": {"type": "string", "minLength": 1, "maxLength": 2000},
        },
        "token_endpoint_auth_method": {"enum": list(METHODS)},
        "token_endpoint_auth_signing_alg": {"enum": list(ASSERTION_ALGORITHMS)},
        "grant_types": {"type": "array", "items": {"enum": list(GRANTS)}},
        "response_types": {"type": "array", "items": {"const": "code"}},
        "client_name": _TEXT,
        "scope": {"type": "string", "maxLength": 4000},
        "jwks": {
            "type": "object",
            "required": ["keys"],
            "properties": {
                "keys": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MOST_KEYS,
                    "items": {
                        "type": "object",
                        "required": ["kty"],
                        "properties": {"kty": {"enum": ["RSA", "EC"]}, "kid": _TEXT},
                        "not": {"anyOf": [{"required": [n]} for n in ("d", "k", "p", "q")]},
                    },
                }
            },
        },
        "jwks_uri": _URL,
        "launch_uri": _URL,
        "launch_url": _URL,
        "client_uri": _URL,
        "logo_uri": _URL,
        "policy_uri": _URL,
        "tos_uri": _URL,
        "contacts": {"type": "array", "maxItems": 10, "items": _TEXT},
        "software_id": _TEXT,
        "software_version": _TEXT,
    },
    "not": {"required": ["jwks", "jwks_uri"]},
}
_VALIDATOR = Draft202012Validator(_SCHEMA)
KEPT = tuple(cast("dict[str, Any]", _SCHEMA["properties"]))


def checked(metadata: object, *, test_http: bool = False) -> dict[str, Any]:
    """The metadata with its defaults, without what we do not know (RFC 7591, 2).

    Raises OAuthError `invalid_redirect_uri` or `invalid_client_metadata`, naming the place.
    `test_http` lets the keys of a client lie on loopback by plain http.
    """
    for fault in sorted(_VALIDATOR.iter_errors(metadata), key=lambda error: error.json_path):
        raise _invalid(f"{fault.json_path}: {fault.message[:150]}")
    given = cast("dict[str, Any]", metadata)
    known = {name: given[name] for name in KEPT if name in given}
    known.setdefault("token_endpoint_auth_method", BASIC)
    known.setdefault("grant_types", ["authorization_code", "refresh_token"])
    if "launch_url" in known:
        known["launch_uri"] = known.pop("launch_url")
    _check_redirects(known)
    _check_method(known)
    _check_keys(known, test_http)
    return known


def _check_redirects(known: dict[str, Any]) -> None:
    by_code = "authorization_code" in known["grant_types"]
    if by_code and not known.get("redirect_uris"):
        raise OAuthError("invalid_redirect_uri", "redirect_uris: an app needs at least one")
    for uri in known.get("redirect_uris", ()):
        if fault := redirects.fault(uri):
            raise OAuthError("invalid_redirect_uri", f"redirect_uris: {uri[:100]} {fault}")
    known["response_types"] = ["code"] if by_code else []
    if not by_code and "refresh_token" in known["grant_types"]:
        raise _invalid("grant_types: refresh_token comes with authorization_code only")


def _check_method(known: dict[str, Any]) -> None:
    method, grants = known["token_endpoint_auth_method"], known["grant_types"]
    if not grants:
        raise _invalid("grant_types: at least one is needed")
    if "client_credentials" in grants and method != ASSERTION:
        raise _invalid(
            "token_endpoint_auth_method: a backend service authenticates by private_key_jwt"
        )
    if method == ASSERTION and not ("jwks" in known or "jwks_uri" in known):
        raise _invalid("jwks or jwks_uri is needed for private_key_jwt")


def _check_keys(known: dict[str, Any], test_http: bool) -> None:
    if "jwks_uri" in known:
        uri = urlsplit(known["jwks_uri"])
        plain = test_http and uri.scheme == "http" and is_loopback(uri.hostname or "")
        if uri.scheme != "https" and not plain:
            raise _invalid("jwks_uri: keys are fetched over https only")
    for place, jwk in enumerate(known.get("jwks", {}).get("keys", ())):
        try:
            public_key(jwk)
        except ValueError as error:
            raise _invalid(f"jwks.keys[{place}]: {error}") from None


def _invalid(description: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", description)
