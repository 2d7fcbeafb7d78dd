"""Codes of an authenticator app (TOTP, RFC 6238): six digits, thirty seconds."""

from __future__ import annotations

import pyotp
import segno

STEP = 30
WINDOW = 1
"""Steps before and after that are taken too: clocks differ, and people type slowly."""


def new_secret() -> str:
    """160 random bits in base32."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step that a code is of; None where it is wrong or of another time.

    The step must be new to the account, or a code could be used twice (RFC 6238, 5.2).
    """
    digits = "".join(code.split())
    if len(digits) != 6 or not digits.isascii() or not digits.isdigit():
        return None
    generator = pyotp.TOTP(secret)
    current = int(now) // STEP
    found = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        # Every step is compared, so that the answer takes as long for each.
        if pyotp.utils.strings_equal(digits, generator.generate_otp(step)):
            found = step
    return found


def uri(secret: str, name: str, issuer: str) -> str:
    """What an authenticator app reads: an `otpauth:` URI."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def picture(uri: str) -> str:
    """The URI as a QR code: a `data:` URL of an SVG."""
    code = segno.make(uri, error="m", micro=False)
    return str(code.svg_data_uri(scale=4, dark="#000", light="#fff", border=4))
