"""What apps read first: the SMART configuration, the OpenID configuration, R4's own security.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html, OpenID Connect Discovery, RFC 8414.
All three are made from the table of endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.smart import endpoints as paths
from fhir_server.smart.client_metadata import ASSERTION_ALGORITHMS, GRANTS, METHODS
from fhir_server.smart.dpop import ALGORITHMS as DPOP_ALGORITHMS
from fhir_server.smart.endpoints import Endpoints
from fhir_server.smart.keys import IDENTITY

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
SCOPES = (
    *("openid", "fhirUser", "launch", "launch/patient", "launch/encounter"),
    *("offline_access", "online_access"),
    *("patient/*.cruds", "user/*.cruds", "system/*.cruds"),
    *("patient/*.rs", "user/*.rs", "system/*.rs"),
    *("patient/*.read", "patient/*.write", "user/*.read", "user/*.write", "system/*.read"),
)
_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_OAUTH_URIS = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


def smart_configuration(
    endpoints: Endpoints, brand: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document at `{base}/.well-known/smart-configuration`.

    `brand` is the identifier of the primary brand where brands are published.
    """
    document = {
        **_common(endpoints),
        "capabilities": list(CAPABILITIES),
    }
    if brand is not None:
        document["user_access_brand_bundle"] = endpoints.at(paths.BRANDS)
        document["user_access_brand_identifier"] = dict(brand)
    return document


def openid_configuration(endpoints: Endpoints) -> dict[str, Any]:
    """The document at `{issuer}/.well-known/openid-configuration` and its twin of RFC 8414."""
    return {
        **_common(endpoints),
        "userinfo_endpoint": endpoints.at(paths.USERINFO),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [IDENTITY],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def security(endpoints: Endpoints) -> dict[str, Any]:
    """`service` and `extension` of CapabilityStatement.rest.security."""
    uris = [
        ("authorize", paths.AUTHORIZE),
        ("token", paths.TOKEN),
        ("introspect", paths.INTROSPECT),
        ("revoke", paths.REVOKE),
    ]
    if endpoints.registration:
        uris.append(("register", paths.REGISTER))
    return {
        "extension": [
            {
                "url": _OAUTH_URIS,
                "extension": [{"url": name, "valueUri": endpoints.at(path)} for name, path in uris],
            }
        ],
        "service": [
            {
                "coding": [{"system": _SERVICE, "code": "SMART-on-FHIR"}],
                "text": "OAuth2 using SMART App Launch 2.2",
            }
        ],
    }


def _common(endpoints: Endpoints) -> dict[str, Any]:
    document: dict[str, Any] = {
        "issuer": endpoints.issuer,
        "jwks_uri": endpoints.at(paths.JWKS),
        "authorization_endpoint": endpoints.at(paths.AUTHORIZE),
        "token_endpoint": endpoints.at(paths.TOKEN),
        "introspection_endpoint": endpoints.at(paths.INTROSPECT),
        "revocation_endpoint": endpoints.at(paths.REVOKE),
        "management_endpoint": endpoints.at(paths.MANAGE),
        "grant_types_supported": list(GRANTS),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": list(SCOPES),
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
    }
    if endpoints.registration:
        document["registration_endpoint"] = endpoints.at(paths.REGISTER)
    return document
