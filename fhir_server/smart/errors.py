"""Refusals in the words of OAuth 2.0 (RFC 6749, 4.1.2.1 and 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit, urlunsplit


class OAuthError(Exception):
    """A refusal: `error` is a code of the RFCs, `description` says what would be right.

    The description holds no secret and nothing but ASCII without quotes and backslashes.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = plain(description)
        self.status = status
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str]:
        """The answer as JSON."""
        return {"error": self.error, "error_description": self.description}


class InvalidClient(OAuthError):
    """The client did not show who it is: 401, with a challenge where it tried by HTTP Basic."""

    def __init__(self, description: str, *, challenge: bool = False) -> None:
        headers = {"WWW-Authenticate": 'Basic realm="token"'} if challenge else {}
        super().__init__("invalid_client", description, status=401, headers=headers)


class InvalidToken(OAuthError):
    """A bearer token that is not good (any more); RFC 6750, 3.1."""

    def __init__(self, description: str) -> None:
        text = plain(description)
        challenge = f'Bearer realm="fhir", error="invalid_token", error_description="{text}"'
        super().__init__(
            "invalid_token", description, status=401, headers={"WWW-Authenticate": challenge}
        )


class Redirected(Exception):
    """A refusal that the app is told of: the browser goes to `url`."""

    def __init__(self, url: str, error: OAuthError) -> None:
        super().__init__(str(error))
        self.url = url
        self.error = error


def plain(text: str) -> str:
    """The text in the characters that RFC 6749 allows in a description."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" for c in text)[:300]


def with_parameters(url: str, parameters: Mapping[str, str | None]) -> str:
    """The URL with parameters added to its query; those that are None are left out."""
    parts = urlsplit(url)
    given = {name: v for name, v in parameters.items() if v is not None}
    # A blank as %20: not every app reads the + of forms.
    added = urlencode(given, quote_via=quote, safe="")
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit(parts._replace(query=query))
