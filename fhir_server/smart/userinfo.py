"""The userinfo endpoint (OpenID Connect Core, 5.3)."""

from __future__ import annotations

from fhir_server.smart.bearer import Bearer
from fhir_server.smart.endpoints import Endpoints
from fhir_server.smart.errors import OAuthError


async def userinfo(authorization: str, bearer: Bearer, endpoints: Endpoints) -> dict[str, str]:
    """Who is signed in: `sub`, and `fhirUser` where that scope was granted. Raises OAuthError."""
    claims = await bearer.claims(authorization)
    scopes = claims.scope.split()
    if "openid" not in scopes:
        challenge = 'Bearer realm="fhir", error="insufficient_scope", scope="openid"'
        raise OAuthError(
            "insufficient_scope",
            "The token lacks the scope openid",
            status=403,
            headers={"WWW-Authenticate": challenge},
        )
    told = {"sub": claims.subject}
    if claims.fhir_user is not None and "fhirUser" in scopes:
        told["fhirUser"] = f"{endpoints.base}/{claims.fhir_user}"
    return told
