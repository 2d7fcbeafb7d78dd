"""Where the authorization server answers: the one table behind the routes and the discovery."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.settings import Settings

SMART_CONFIGURATION = "/.well-known/smart-configuration"
"""Below the FHIR base; everything else is below the root."""

OPENID_CONFIGURATION = "/.well-known/openid-configuration"
OAUTH_CONFIGURATION = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
AUTHORIZE = "/auth/authorize"
APPROVE = "/auth/approve"
TOKEN = "/auth/token"  # noqa: S105 - a path
INTROSPECT = "/auth/introspect"
REVOKE = "/auth/revoke"
REGISTER = "/auth/register"
USERINFO = "/auth/userinfo"
LAUNCH = "/auth/launch"
MANAGE = "/account"
STYLE = "/smart-style.json"
BRANDS = "/brands.json"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The absolute URLs, as clients see them. `base` is the FHIR base, `issuer` the root."""

    base: str
    issuer: str
    registration: bool
    brands: bool

    @classmethod
    def of(cls, settings: Settings) -> Endpoints:
        """The endpoints that a server with these settings offers."""
        return cls(
            settings.base,
            settings.root,
            settings.registration != "off",
            bool(settings.brands_file),
        )

    def at(self, path: str) -> str:
        """The URL of one of the paths of this module."""
        return self.issuer + path
