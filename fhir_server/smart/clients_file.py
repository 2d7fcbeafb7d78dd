"""Clients from a file: what the operator registers at every start.

A JSON array of client metadata (RFC 7591) with `client_id`, and for those that have one
`client_secret`; `introspection: true` and `ehr: true` give the rights of those names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from fhir_server.errors import MalformedContent
from fhir_server.smart.client_metadata import BASIC, checked
from fhir_server.smart.errors import OAuthError

_SCHEMA: dict[str, Any] = {
    "type": "array",
    "maxItems": 1000,
    "items": {
        "type": "object",
        "required": ["client_id"],
        "properties": {
            "client_id": {"type": "string", "pattern": r"^[A-Za-z0-9._~:/-]{1,200}$"},
            "client_secret": {"type": "string", "minLength": 12, "maxLength": 500},
            "introspection": {"type": "boolean"},
            "ehr": {"type": "boolean"},
        },
    },
}
_VALIDATOR = Draft202012Validator(_SCHEMA)
_OWN = ("client_id", "client_secret", "introspection", "ehr")


def read_clients(path: Path, *, test_http: bool = False) -> dict[str, dict[str, Any]]:
    """What `Clients.keep_listed` takes, by client id. Raises MalformedContent, naming the place."""
    try:
        listed = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise MalformedContent(f"{path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise MalformedContent(f"{path}: {error}") from None
    for fault in sorted(_VALIDATOR.iter_errors(listed), key=lambda error: error.json_path):
        # The value itself stays out of the message: it may be a secret.
        raise MalformedContent(f"{path}: {fault.json_path} fails its rule '{fault.validator}'")
    found: dict[str, dict[str, Any]] = {}
    for entry in listed:
        id_ = entry["client_id"]
        if id_ in found:
            raise MalformedContent(f"{path}: the client {id_} comes twice")
        try:
            metadata = checked(
                {name: value for name, value in entry.items() if name not in _OWN},
                test_http=test_http,
            )
        except OAuthError as error:
            raise MalformedContent(f"{path}: {id_}: {error.description}") from None
        symmetric = metadata["token_endpoint_auth_method"] == BASIC
        if symmetric != ("client_secret" in entry):
            raise MalformedContent(
                f"{path}: {id_}: client_secret goes with client_secret_basic, and only with it"
            )
        found[id_] = {
            "metadata": metadata,
            "secret": entry.get("client_secret"),
            "introspection": entry.get("introspection", False),
            "ehr": entry.get("ehr", False),
        }
    return found
