"""The accounts of people: whom they are in FHIR, what they sign in with, whose records they open.

Accounts are made by an administrator (`fhir-server users`), who hands the person a code on paper;
nothing here needs e-mail.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhir_server.errors import MalformedRequest
from fhir_server.smart import passwords, recovery, totp
from fhir_server.smart.passkeys import Passkey
from fhir_server.store import accounts as store

Kind = Literal["patient", "related", "practitioner", "admin"]

KINDS: dict[str, Kind] = {
    "Patient": "patient",
    "RelatedPerson": "related",
    "Practitioner": "practitioner",
    "PractitionerRole": "practitioner",
}
"""What kind of person an account is, by the type of its FHIR user; without one, `admin`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}\Z")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in.

    `name` is what they type, `title` what pages call them, `fhir_user` a relative reference, None
    for administrators, who have no health data. `patients` are the logical ids of those whose
    records a patient or a representative opens; practitioners open every record.
    """

    id: str
    name: str
    title: str
    kind: Kind
    fhir_user: str | None = None
    patients: tuple[str, ...] = ()
    disabled: bool = False
    passkeys: tuple[Passkey, ...] = ()
    password: str | None = field(default=None, repr=False)
    totp: str | None = field(default=None, repr=False)
    codes: int = 0

    def opens(self, patient: str) -> bool:
        """Whether the person may open a patient's record at all."""
        return self.kind == "practitioner" or (self.kind != "admin" and patient in self.patients)


class Accounts:
    """The accounts of a server."""

    def __init__(self, kept: store.Accounts, now: Callable[[], float]) -> None:
        self._kept = kept
        self._now = now

    async def get(self, id_: str) -> Account | None:
        """The account of an id, None where there is none or it is disabled."""
        return _able(await self._kept.get(id_))

    async def named(self, name: str) -> Account | None:
        """The account of a sign-in name, however it is written, disabled or not."""
        row = await self._kept.by_name(normal(name))
        return account(row) if row else None

    async def all(self) -> list[Account]:
        """Every account, by name."""
        return [account(row) for row in await self._kept.all()]

    async def add(
        self,
        name: str,
        title: str,
        fhir_user: str | None,
        patients: Iterable[str] = (),
        *,
        password: str | None = None,
        upstream: Iterable[str] = (),
    ) -> tuple[Account, str]:
        """A new account, and the code on paper with which the person signs in first.

        Raises MalformedRequest where the name is not one or taken, or the FHIR user is no person.
        """
        named = normal(name)
        if not _NAME.match(named):
            raise MalformedRequest(
                "The name must have 2 to 64 characters: letters a to z, digits and . _ - @ +"
            )
        kind, reach = _reach(fhir_user, tuple(patients))
        code = recovery.new_code()
        row = {
            **{"_id": secrets.token_urlsafe(12), "name": named, "title": title or named},
            **{"kind": kind, "fhir_user": fhir_user, "patients": list(reach)},
            **{"recovery": [recovery.kept(code)], "passkeys": [], "upstream": list(upstream)},
            "password": await passwords.hashed(password) if password else None,
            "created": int(self._now()),
        }
        if not await self._kept.add(row):
            raise MalformedRequest(f"The name {named} (or its identity elsewhere) is taken")
        return account(row), code

    async def reset(self, id_: str) -> str:
        """A new code on paper in place of everything that the person signed in with."""
        code = recovery.new_code()
        await self._kept.set(
            id_, password=None, totp=None, passkeys=[], recovery=[recovery.kept(code)]
        )
        return code

    async def disable(self, id_: str, *, disabled: bool) -> None:
        """Let the person sign in no more, or again."""
        await self._kept.set(id_, disabled=disabled)

    async def remove(self, id_: str) -> None:
        """Forget an account. Its approvals and sessions are the caller's to end."""
        await self._kept.remove(id_)

    async def link(self, id_: str, identities: Iterable[str]) -> bool:
        """Tie the account to identities of other providers; False where one is taken."""
        return await self._kept.set(id_, upstream=list(identities))

    async def with_password(self, name: str, password: str) -> Account | None:
        """Whose password it is; takes as long for a name that nobody has."""
        row = await self._kept.by_name(normal(name))
        good = await passwords.matches(password, row.get("password") if row else None)
        return _able(row) if good else None

    async def with_recovery(self, name: str, code: str) -> Account | None:
        """Whose code on paper it is; it is used up."""
        row = await self._kept.by_name(normal(name))
        if row is None or row.get("disabled"):
            return None
        return account(row) if await self.use_recovery(row["_id"], code) else None

    async def with_passkey(self, credential: str) -> Account | None:
        """Whose passkey it is, by its id."""
        return _able(await self._kept.by_passkey(credential))

    async def with_upstream(self, identity: str) -> Account | None:
        """Who is linked to an identity of another provider."""
        return _able(await self._kept.by_upstream(identity))

    async def set_password(self, id_: str, password: str) -> None:
        """Another password; whether it is good enough was asked before (`passwords.fault`)."""
        await self._kept.set(id_, password=await passwords.hashed(password))

    async def use_recovery(self, id_: str, code: str) -> bool:
        """Use a code on paper up; False where it is none of the account's."""
        return await self._kept.use_recovery(id_, recovery.kept(code))

    async def new_sheet(self, id_: str) -> list[str]:
        """New codes on paper in place of all old ones: shown now and never again."""
        codes = recovery.new_codes()
        await self._kept.set(id_, recovery=[recovery.kept(code) for code in codes])
        return codes

    async def use_totp(self, account: Account, code: str) -> bool:
        """Whether it is the authenticator's code of now, and was not used before."""
        if account.totp is None:
            return False
        step = totp.step_of(account.totp, code, self._now())
        return step is not None and await self._kept.use_step(account.id, step)

    async def set_totp(self, id_: str, secret: str, code: str) -> bool:
        """Ask for this authenticator from now on, if the code shows that it works."""
        step = totp.step_of(secret, code, self._now())
        if step is None:
            return False
        return await self._kept.set(id_, totp={"secret": secret, "last": step})

    async def drop_totp(self, id_: str) -> None:
        """Ask for no authenticator any more."""
        await self._kept.set(id_, totp=None)

    async def add_passkey(self, id_: str, passkey: Passkey) -> bool:
        """Keep a passkey; False where an account has it already."""
        return await self._kept.add_passkey(id_, passkey.document())

    async def used_passkey(self, id_: str, passkey: Passkey, count: int) -> None:
        """Take note of a passkey's counter."""
        await self._kept.use_passkey(id_, passkey.id, count)

    async def drop_passkey(self, id_: str, credential: str) -> None:
        """Forget a passkey."""
        await self._kept.remove_passkey(id_, credential)


def normal(name: str) -> str:
    """A sign-in name as it is kept."""
    return name.strip().lower()[:100]


def account(row: Mapping[str, Any]) -> Account:
    """The account that a stored document is of."""
    return Account(
        id=row["_id"],
        name=row["name"],
        title=row["title"],
        kind=row["kind"],
        fhir_user=row["fhir_user"],
        patients=tuple(row["patients"]),
        disabled=bool(row.get("disabled")),
        passkeys=tuple(Passkey.of(passkey) for passkey in row["passkeys"]),
        password=row["password"],
        totp=(row.get("totp") or {}).get("secret"),
        codes=len(row["recovery"]),
    )


def _able(row: Mapping[str, Any] | None) -> Account | None:
    return account(row) if row and not row.get("disabled") else None


def _reach(fhir_user: str | None, patients: tuple[str, ...]) -> tuple[Kind, tuple[str, ...]]:
    """The kind of person, and the patients whose records it opens by itself."""
    if fhir_user is None:
        if patients:
            raise MalformedRequest("An administrator opens nobody's record")
        return "admin", ()
    found = _REFERENCE.match(fhir_user)
    if found is None or found[1] not in KINDS:
        raise MalformedRequest(f"{fhir_user[:80]} is none of {', '.join(f'{k}/ID' for k in KINDS)}")
    kind = KINDS[found[1]]
    if kind == "patient":
        return kind, (fhir_user.partition("/")[2],)
    if kind == "related" and not patients:
        raise MalformedRequest("Say whom this person represents")
    return kind, patients if kind == "related" else ()
