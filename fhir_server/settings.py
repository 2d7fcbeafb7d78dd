"""All settings in one frozen value, read from the environment by the composition root alone.

Every field is the environment variable `FHIR_` + its name in capitals.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024
HOUR = 3600
DAY = 24 * HOUR


class TrustedIssuer(BaseModel):
    """An issuer whose access tokens are taken besides our own.

    `jwks` is a file, or a URL that is fetched by https; `audience` is what `aud` must have in the
    place of the FHIR base; `type` what the header's `typ` must be: RFC 9068 says `at+jwt`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(min_length=1)
    jwks: str = Field(min_length=1)
    audience: str = ""
    type: Literal["at+jwt", "JWT"] = "at+jwt"
    algorithms: tuple[Literal["ES256", "ES384", "RS256", "RS384", "PS256"], ...] = Field(
        ("ES256", "ES384", "RS256", "RS384"), min_length=1
    )


class IdentityProvider(BaseModel):
    """Another provider by which people may sign in (OpenID Connect).

    `key` is in our own addresses, `name` on the button. `claim` is what accounts are linked by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern="^[a-z0-9-]{1,30}$")
    name: str = Field(min_length=1, max_length=60)
    issuer: str = Field(pattern="^https?://")
    client_id: str = Field(min_length=1)
    client_secret: str = Field(min_length=1, repr=False)
    authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    scope: str = "openid"
    claim: str = "sub"
    acr_values: str = ""


class Settings(BaseSettings):
    """What a deployer may want to be different."""

    model_config = SettingsConfigDict(env_prefix="FHIR_", frozen=True, extra="ignore")

    data: Path = Field(Path("data"), description="Folder of the embedded MongoDB and its secrets.")
    mongodb_uri: str = Field(
        "", description="MongoDB to use; empty starts the embedded one under the data folder."
    )
    mongodb_database: str = Field("fhir", description="Name of the database.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    base_url: str = Field(
        "", description="Public base URL of the FHIR API; empty means http://HOST:PORT/fhir."
    )
    workers: int = Field(1, ge=1, le=64, description="Server processes.")
    access: Literal["closed", "open"] = Field(
        "closed",
        description="`closed` asks everybody for an access token; `open` serves loopback only.",
    )
    search_handling: Literal["strict", "lenient"] = Field(
        "strict", description="Whether unknown search parameters are refused or ignored visibly."
    )
    page_size: int = Field(50, ge=1, description="Entries of a page where _count says nothing.")
    page_size_max: int = Field(1000, ge=1, description="The largest page, whatever _count says.")
    update_create: bool = Field(
        True, description="Whether PUT to an id that does not exist creates the resource."
    )
    conditional_delete: Literal["single", "multiple"] = Field(
        "single", description="Whether a conditional delete may delete several resources."
    )
    reference_check: bool = Field(
        False, description="Whether literal references must exist when a resource is written."
    )
    unknown_profile: Literal["warning", "error"] = Field(
        "warning", description="What a claim in meta.profile to a profile not known here is."
    )
    profiles: dict[str, tuple[str, ...]] = Field(
        {},
        description="Profiles by type, as JSON: every resource of the type must conform to one.",
    )
    max_body_bytes: int = Field(
        144 * MEBIBYTE, ge=1024, description="The largest request body, in bytes."
    )
    max_blob_bytes: int = Field(
        100 * MEBIBYTE,
        ge=1024,
        description="The largest resource, in bytes; of a Binary its content, not the base64.",
    )
    max_depth: int = Field(100, ge=10, description="The deepest nesting of a JSON or XML body.")
    history_window: int = Field(
        300, ge=0, description="Seconds for which the pages of a search stay on one moment."
    )
    cors_origins: tuple[str, ...] = Field(
        ("*",), description="Origins that browsers may call from, as a JSON list; `*` is any."
    )
    base_definitions: bool = Field(
        True, description="Whether R4's own definitions are stored as resources too, once."
    )
    terminology_url: str = Field(
        "", description="Base URL of another terminology server; empty asks none."
    )
    terminology_systems: tuple[str, ...] = Field(
        (), description="Code systems that server answers for, as a JSON list of URLs."
    )
    log_requests: bool = Field(
        False, description="Whether every request is logged, not only failed and slow ones."
    )

    trusted_issuers: tuple[TrustedIssuer, ...] = Field(
        (),
        description=(
            "Other issuers whose access tokens are taken, as a JSON list of `issuer`, `jwks` (URL "
            "or file), and where they differ `audience`, `type` and `algorithms`."
        ),
    )
    requests_per_minute: int = Field(
        30_000, ge=0, description="Requests a minute of one client, per process; 0 is no limit."
    )
    clients_file: str = Field(
        "", description="JSON file of the clients to register at every start; empty for none."
    )
    registration: Literal["off", "token", "open"] = Field(
        "off", description="Who may register clients by RFC 7591: nobody, holders of a token, all."
    )
    registration_token: str = Field(
        "",
        repr=False,
        validate_default=True,
        description="The initial access token that `token` registration asks for.",
    )
    brands_file: str = Field(
        "", description="JSON file of the User-access Brands Bundle to publish; empty for none."
    )
    code_seconds: int = Field(60, ge=1, le=600, description="Lifetime of authorization codes.")
    approval_seconds: int = Field(
        900, ge=5, le=3600, description="Time for signing in and deciding about a request."
    )
    launch_seconds: int = Field(
        300, ge=5, le=3600, description="Lifetime of the `launch` values that EHRs ask for."
    )
    token_seconds: int = Field(
        900, ge=1, le=3600, description="Lifetime of access tokens of apps that people use."
    )
    backend_token_seconds: int = Field(
        300, ge=1, le=300, description="Lifetime of access tokens of backend services."
    )
    refresh_seconds: int = Field(
        90 * DAY, ge=5, description="Lifetime of a refresh token, counted from its issue."
    )
    online_seconds: int = Field(
        12 * HOUR, ge=5, description="The same where access was granted for a session only."
    )
    refresh_grace_seconds: int = Field(
        10, ge=0, le=60, description="Time in which a second use of a refresh token is no theft."
    )
    clock_skew_seconds: int = Field(
        10, ge=0, le=60, description="How far the clocks of clients may differ from this one."
    )
    key_seconds: int = Field(
        90 * DAY, ge=DAY, description="How long a signing key is used before the next one is."
    )
    test_sign_in: Literal["off", "approve", "ask", "deny"] = Field(
        "off", description="For test suites on loopback: sign in without a human, and decide so."
    )
    test_user: str = Field(
        "", description="Who is signed in then, as a reference such as Practitioner/1."
    )
    test_patient: str = Field("", description="The patient then chosen, as a logical id.")
    test_encounter: str = Field("", description="The encounter then chosen, as a logical id.")
    test_scope: str = Field(
        "", description="The scopes then granted among those asked for; empty grants them all."
    )
    test_http: bool = Field(
        False, description="For test suites: fetch keys of clients on loopback by plain http."
    )

    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses of our own proxies, as a JSON list: their X-Forwarded-For counts.",
    )
    identity_providers: tuple[IdentityProvider, ...] = Field(
        (),
        description=(
            "Other providers to sign in by, as a JSON list of `key`, `name`, `issuer`, "
            "`client_id`, `client_secret`, and where they differ `authentication`, `scope`, "
            "`claim` and `acr_values`."
        ),
    )

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        parts = urlsplit(value)
        path = parts.path.strip("/")
        if value and (
            parts.scheme not in ("http", "https") or not parts.netloc or parts.query or not path
        ):
            raise ValueError(
                "must be an absolute http(s) URL with a path, such as https://ehr.example.org/fhir"
            )
        return value.rstrip("/")

    @field_validator("test_sign_in", "test_http")
    @classmethod
    def _loopback_only(cls, value: object, info: ValidationInfo) -> object:
        base = urlsplit(info.data.get("base_url", "")).hostname
        hosts = [info.data.get("host", ""), *([base] if base else [])]
        if value not in (False, "off") and not all(is_loopback(host) for host in hosts):
            raise ValueError(
                "is for tests on this machine: FHIR_HOST and FHIR_BASE_URL must say so"
            )
        return value

    @field_validator("registration_token")
    @classmethod
    def _long_enough(cls, value: str, info: ValidationInfo) -> str:
        if (value or info.data.get("registration") == "token") and len(value) < 32:
            raise ValueError("must have 32 characters or more: openssl rand -hex 32")
        return value

    @property
    def base(self) -> str:
        """The public base URL of the FHIR API, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}/fhir"

    @property
    def base_path(self) -> str:
        """The path of the base URL: `/fhir` unless the deployer chose another one."""
        return urlsplit(self.base).path

    @property
    def root(self) -> str:
        """The base URL without its path: the issuer of tokens; the pages for people lie below."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host name or address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
