"""All settings in one frozen value, read from the environment by the composition root alone.

Every field is the environment variable `FHIR_` + its name in capitals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


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
        "closed", description="`closed` answers 401 to everybody; `open` serves loopback only."
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
    max_body_bytes: int = Field(
        144 * MEBIBYTE, ge=1024, description="The largest request body, in bytes."
    )
    max_blob_bytes: int = Field(
        100 * MEBIBYTE, ge=1024, description="The largest single resource, in bytes."
    )
    max_depth: int = Field(100, ge=10, description="The deepest nesting of a JSON or XML body.")
    history_window: int = Field(
        300, ge=0, description="Seconds for which the pages of a search stay on one moment."
    )
    cors_origins: tuple[str, ...] = Field(
        ("*",), description="Origins that browsers may call from, as a JSON list; `*` is any."
    )
    log_requests: bool = Field(
        False, description="Whether every request is logged, not only failed and slow ones."
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

    @property
    def base(self) -> str:
        """The public base URL of the FHIR API, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}/fhir"

    @property
    def base_path(self) -> str:
        """The path of the base URL: `/fhir` unless the deployer chose another one."""
        return urlsplit(self.base).path
