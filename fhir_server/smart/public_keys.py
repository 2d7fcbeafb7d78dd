"""A client's public key, from the JWK that it registered or publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

SMALLEST_RSA = 2048
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}


def public_key(jwk: Mapping[str, Any]) -> RSAKey | ECKey:
    """The key, without its private part if it has one. Raises ValueError, saying what is wrong.

    Only the parameters of the key itself are read: `use`, `alg` and `kid` are the caller's matter.
    """
    kind = jwk.get("kty")
    names = _PUBLIC.get(str(kind))
    if names is None:
        raise ValueError("it is neither RSA nor EC")
    if not all(isinstance(jwk.get(name), str) for name in names):
        raise ValueError("it lacks one of its parameters")
    bare: Any = {"kty": kind, **{name: jwk[name] for name in names}}
    if kind == "RSA" and len(jwk["n"].rstrip("=")) * 6 < SMALLEST_RSA:
        raise ValueError(f"an RSA key needs {SMALLEST_RSA} bits")
    if kind == "EC" and jwk["crv"] != "P-384":
        raise ValueError("ES384 needs a key on P-384")
    try:
        return RSAKey.import_key(bare) if kind == "RSA" else ECKey.import_key(bare)
    except (JoseError, ValueError, TypeError):
        raise ValueError("it is no valid public key") from None
