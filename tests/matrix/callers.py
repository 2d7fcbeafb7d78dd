"""Who calls: what each caller may do, and what it sees, written down by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.callers import CATEGORY, Served

RECORD_A = frozenset(
    ("Patient/a", "Observation/lab-a", "Observation/vital-a", "Condition/k-a", "Encounter/e-a")
)
RECORD_B = frozenset(("Patient/b", "Observation/lab-b", "Condition/k-b", "Encounter/e-b"))
SHARED = frozenset(("Organization/g",))
NOBODYS = frozenset(("Device/d", "Basic/x", "Task/t"))
EVERYTHING = RECORD_A | RECORD_B | SHARED | NOBODYS
LABORATORY = f"category={CATEGORY}|laboratory"

BAD = "bad"


@dataclass(frozen=True)
class Caller:
    """`letters` by type (`*`: any other one) are what its grant speaks of at all; `sees` is which
    resources. `shared` letters are those on types that are nobody's record. `patient` is whose
    record it writes into; empty for everybody's."""

    name: str
    token: Callable[[Served], Awaitable[str | None]]
    letters: Mapping[str, str] = field(default_factory=dict)
    sees: frozenset[str] = frozenset()
    shared: str = ""
    patient: str = ""
    good: bool = True

    def may(self, type_: str, letter: str) -> bool:
        """Whether the caller's scopes speak of the type and the action at all."""
        shared = self.shared if type_ in SHARED_TYPES else ""
        return letter in self.letters.get(type_, self.letters.get("*", "")) + shared


SHARED_TYPES = ("Organization", "CodeSystem", "ValueSet", "StructureDefinition")


def _person(scope: str, **claims: str) -> Callable[[Served], Awaitable[str | None]]:
    async def make(served: Served) -> str:
        return await served.token(scope, **claims)

    return make


def _system(scope: str) -> Callable[[Served], Awaitable[str | None]]:
    async def make(served: Served) -> str:
        return await served.system(scope)

    return make


A = {"patient": "a", "fhir_user": "Patient/a"}
B = {"patient": "b", "fhir_user": "Patient/b"}
DOCTOR = {"fhir_user": "Practitioner/p"}


async def _nobody(served: Served) -> None:
    return None


async def _garbage(served: Served) -> str:
    return "garbage"


async def _expired(served: Served) -> str:
    return await served.signed(exp=1_700_000_000)


async def _other_audience(served: Served) -> str:
    return await served.signed(aud="https://other.example.org/fhir")


async def _other_issuer(served: Served) -> str:
    return await served.signed(iss="https://evil.example.org")


async def _id_token(served: Served) -> str:
    return await served.id_token()


async def _refresh_token(served: Served) -> str:
    family = served.family(scope="user/*.cruds offline_access", **DOCTOR)
    await served.smart.tokens.add_family(family)
    await served.smart.tokens.add_refresh("r" * 43, family)
    return "r" * 43


async def _revoked(served: Served) -> str:
    token = await served.signed(jti="revoked-one")
    await served.smart.tokens.revoke_token("revoked-one", served.smart.now())
    return token


async def _revoked_family(served: Served) -> str:
    family = served.family(scope="user/*.cruds", **DOCTOR)
    await served.smart.tokens.add_family(family)
    token, _ = await served.smart.maker.access_token(family, "user/*.cruds")
    await served.smart.tokens.revoke_family(family.id, served.smart.now())
    return token


async def _unsigned(served: Served) -> str:
    return served.unsigned()


async def _forged(served: Served) -> str:
    return served.forged()


async def _hmac(served: Served) -> str:
    return served.hmac(b"0123456789abcdef0123456789abcdef")


def _bad(name: str, token: Callable[[Served], Awaitable[str | None]]) -> Caller:
    return Caller(name, token, good=False)


LAB = f"?{LABORATORY}"
CALLERS: tuple[Caller, ...] = (
    _bad("nobody", _nobody),
    _bad("garbage", _garbage),
    _bad("expired", _expired),
    _bad("other audience", _other_audience),
    _bad("other issuer", _other_issuer),
    _bad("id token", _id_token),
    _bad("refresh token", _refresh_token),
    _bad("revoked", _revoked),
    _bad("revoked family", _revoked_family),
    _bad("unsigned", _unsigned),
    _bad("forged", _forged),
    _bad("hmac", _hmac),
    Caller(
        "patient a, v1",
        _person("patient/*.read", **A),
        {"*": "rs"},
        RECORD_A | SHARED,
        "rs",
        "a",
    ),
    Caller(
        "patient a, v2",
        _person("patient/*.cruds", **A),
        {"*": "cruds"},
        RECORD_A | SHARED,
        "rs",
        "a",
    ),
    Caller(
        "patient b, v2",
        _person("patient/*.cruds", **B),
        {"*": "cruds"},
        RECORD_B | SHARED,
        "rs",
        "b",
    ),
    Caller(
        "patient a, laboratory",
        _person(f"patient/Observation.rs{LAB}", **A),
        {"Observation": "rs"},
        frozenset(("Observation/lab-a",)),
        patient="a",
    ),
    Caller(
        "patient a, writes laboratory",
        _person(f"patient/Observation.cruds{LAB}", **A),
        {"Observation": "cruds"},
        frozenset(("Observation/lab-a",)),
        patient="a",
    ),
    Caller(
        "patient a, reads only",
        _person("patient/Observation.r", **A),
        {"Observation": "r"},
        frozenset(("Observation/lab-a", "Observation/vital-a")),
        patient="a",
    ),
    Caller(
        "patient a, searches only",
        _person("patient/Observation.s", **A),
        {"Observation": "s"},
        frozenset(("Observation/lab-a", "Observation/vital-a")),
        patient="a",
    ),
    Caller(
        "patient a, v1 writes",
        _person("patient/Observation.write", **A),
        {"Observation": "cud"},
        frozenset(("Observation/lab-a", "Observation/vital-a")),
        patient="a",
    ),
    Caller("practitioner", _person("user/*.cruds", **DOCTOR), {"*": "cruds"}, EVERYTHING),
    Caller("practitioner, v1", _person("user/*.read", **DOCTOR), {"*": "rs"}, EVERYTHING),
    Caller(
        "practitioner, laboratory",
        _person(f"user/Observation.rs{LAB}", **DOCTOR),
        {"Observation": "rs"},
        frozenset(("Observation/lab-a", "Observation/lab-b")),
    ),
    Caller(
        "practitioner with patient b",
        _person("patient/*.rs", patient="b", **DOCTOR),
        {"*": "rs"},
        RECORD_B | SHARED,
        "rs",
        "b",
    ),
    Caller(
        "parent of a",
        _person("user/*.rs", patient="a", fhir_user="RelatedPerson/r"),
        {"*": "rs"},
        RECORD_A | SHARED,
        "rs",
        "a",
    ),
    Caller("signed in only", _person("openid", **DOCTOR)),
    Caller("administrator", _person("user/*.cruds patient/*.cruds system/*.cruds", patient="a")),
    Caller("system", _system("system/*.cruds"), {"*": "cruds"}, EVERYTHING),
    Caller("system, v1", _system("system/*.read"), {"*": "rs"}, EVERYTHING),
)
