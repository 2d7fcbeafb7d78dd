"""Passkeys (WebAuthn, level 2): made on the account page, used in the place of name and password.

A passkey is asked to verify its holder (by finger, face or PIN), so it counts as two factors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from fhir_server.store.sign_ins import SignIns

SECONDS = 300
"""How long a challenge is good for."""

LONGEST = 16_384


class Refused(Exception):
    """The browser's answer does not prove what it should."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an account: `id` in base64url, the public `key`, its signature counter."""

    id: str
    key: bytes
    count: int
    title: str
    created: int

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Passkey:
        """The passkey that an account's document holds."""
        return cls(**{name: document[name] for name in ("id", "key", "count", "title", "created")})

    def document(self) -> dict[str, Any]:
        """The passkey as the account's document holds it."""
        return {name: getattr(self, name) for name in ("id", "key", "count", "title", "created")}


class Passkeys:
    """Asks browsers for passkeys and checks what they answer."""

    def __init__(self, root: str, title: str, kept: SignIns, now: Callable[[], float]) -> None:
        self._origin = root
        self._host = urlsplit(root).hostname or ""
        self._title = title
        self._kept = kept
        self._now = now

    async def ask_new(self, visit: str, account: str, name: str, known: Sequence[Passkey]) -> str:
        """The options, as JSON, with which a browser makes a passkey for the account."""
        options = webauthn.generate_registration_options(
            rp_id=self._host,
            rp_name=self._title,
            user_id=account.encode(),
            user_name=name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(base64url_to_bytes(passkey.id)) for passkey in known
            ],
        )
        await self._hold(f"new {visit}", options.challenge)
        return webauthn.options_to_json(options)

    async def made(self, visit: str, answer: str, title: str) -> Passkey:
        """The passkey that a browser made. Raises Refused."""
        challenge = await self._challenge(f"new {visit}")
        try:
            verified = webauthn.verify_registration_response(
                credential=answer[:LONGEST],
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise Refused(str(error)) from error
        return Passkey(
            bytes_to_base64url(verified.credential_id),
            verified.credential_public_key,
            verified.sign_count,
            title,
            int(self._now()),
        )

    async def ask(self, visit: str) -> str:
        """The options, as JSON, with which a browser offers the passkeys that it has."""
        options = webauthn.generate_authentication_options(
            rp_id=self._host, user_verification=UserVerificationRequirement.REQUIRED
        )
        await self._hold(f"use {visit}", options.challenge)
        return webauthn.options_to_json(options)

    async def used(self, visit: str, answer: str, passkey: Passkey) -> int:
        """The new counter of a passkey that the browser used. Raises Refused."""
        challenge = await self._challenge(f"use {visit}")
        try:
            verified = webauthn.verify_authentication_response(
                credential=answer[:LONGEST],
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=passkey.key,
                credential_current_sign_count=passkey.count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise Refused(str(error)) from error
        return verified.new_sign_count

    async def _hold(self, place: str, challenge: bytes) -> None:
        until = self._now() + SECONDS
        await self._kept.add_challenge(place, bytes_to_base64url(challenge), until)

    async def _challenge(self, place: str) -> bytes:
        held = await self._kept.take_challenge(place, self._now())
        if held is None:
            raise Refused("the challenge is used or too old")
        return base64url_to_bytes(held)


def credential_of(answer: str) -> str:
    """The id of the passkey that an answer says it is of, in base64url. Raises Refused."""
    try:
        return bytes_to_base64url(parse_authentication_credential_json(answer[:LONGEST]).raw_id)
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Refused(str(error)) from error
