"""Where the browser may be sent back to: redirect URIs (RFC 9700, 2.1 and 4.1; RFC 8252)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from fhir_server.settings import is_loopback

_PRINTABLE = re.compile(r"[!-~]{1,2000}\Z")
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z")


def fault(uri: str) -> str | None:
    """Why a URI cannot be registered as a redirect URI; None where it can.

    Taken are https, http on loopback, and the private-use schemes of native apps
    (`org.example.app:/callback`).
    """
    if not _PRINTABLE.match(uri) or "\\" in uri:
        return "holds characters that no URI has"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no URI"
    if "#" in uri:
        return "has a fragment"
    if "*" in parts.netloc or "@" in parts.netloc:
        return "has a wildcard or user information in its host"
    if parts.scheme in ("http", "https") and not host:
        return "has no host"
    if parts.scheme == "http" and not is_loopback(host or ""):
        return "is plain http to another machine"
    if parts.scheme not in ("http", "https") and not _PRIVATE_USE.match(parts.scheme):
        return "is neither https nor of a private-use scheme such as org.example.app:"
    return None


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether a request's redirect URI is one of those registered, character by character.

    One exception, of RFC 8252, 7.3: a URI registered on a loopback address without a port
    (`http://127.0.0.1/callback`) stands for every port.
    """
    known = tuple(registered)
    return uri in known or any(_any_port(uri, one) for one in known)


def origin(uri: str) -> str:
    """The origin of a URI as browsers send it; empty for private-use schemes."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""


def _any_port(uri: str, registered: str) -> bool:
    try:
        asked, known = urlsplit(uri), urlsplit(registered)
        if known.scheme != "http" or known.hostname not in ("127.0.0.1", "::1"):
            return False
        if known.port is not None or asked.port is None:
            return False
    except ValueError:
        return False
    host = f"[{known.hostname}]" if ":" in (known.hostname or "") else str(known.hostname)
    # Put together again, so that nothing but the port may differ from what was registered.
    return uri == SplitResult(known.scheme, f"{host}:{asked.port}", *known[2:]).geturl()
