"""Codes on paper: for the first sign-in, and for the day when password or device are lost.

A code is 80 random bits, so that its hash needs no salt and guessing it no throttle; it is used
once.
"""

from __future__ import annotations

import secrets

from fhir_server.store.opaque import digest

HOW_MANY = 10
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
_LENGTH = 16


def new_code() -> str:
    """A code in four groups of four: `K7QF-2MXW-9TRD-HB4C`."""
    text = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return "-".join(text[at : at + 4] for at in range(0, _LENGTH, 4))


def new_codes() -> list[str]:
    """A sheet of codes."""
    return [new_code() for _ in range(HOW_MANY)]


def kept(code: str) -> str:
    """The hash of a code, however it was typed."""
    typed = "".join(c for c in code.upper() if c.isalnum())[: _LENGTH * 2]
    return digest(f"recovery {typed}")
