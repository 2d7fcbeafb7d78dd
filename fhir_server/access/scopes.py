"""SMART scopes, v1 and v2: read, printed back, narrowed.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. A scope that is not understood
to the letter grants nothing: it is put aside among the unknown ones, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qsl, quote

from fhir_server.access.grant import Action
from fhir_server.errors import MalformedRequest
from fhir_server.fhir import definitions

Level = Literal["patient", "user", "system"]

MAX_LENGTH = 16_384
MAX_SCOPES = 500

EVERY_TYPE = "*"
V1 = {"read": "rs", "write": "cud", "*": "cruds"}
"""What the words of v1 mean in the letters of v2."""

NAMED = frozenset(("openid", "fhirUser", "profile", "launch", "offline_access", "online_access"))
"""Scopes that speak of the sign-in and the launch, not of resources."""

_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")  # RFC 6749, 3.3
_RESOURCE = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]+)\."
    r"(?:(?P<word>read|write|\*)|(?P<letters>c?r?u?d?s?)(?:\?(?P<query>.+))?)\Z"
)
_LAUNCH = re.compile(r"launch/[a-zA-Z]+(\?role=[^&?#]+)?\Z")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_LETTERS = "cruds"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope about resources; `type` is `*` for all.

    `parameters` are the decoded pairs of a granular scope, all of which must hold. `text` is the
    spelling that was asked for, and plays no part when scopes are compared.
    """

    level: Level
    type: str
    actions: frozenset[Action]
    parameters: tuple[tuple[str, str], ...] = ()
    text: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scope) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __str__(self) -> str:
        return self.text

    @property
    def _identity(self) -> tuple[str, str, frozenset[Action], frozenset[tuple[str, str]]]:
        return self.level, self.type, self.actions, frozenset(self.parameters)

    @property
    def letters(self) -> str:
        """The actions as v2 writes them: some of `cruds`, in this order."""
        return "".join(letter for letter in _LETTERS if Action(letter) in self.actions)

    @property
    def v1(self) -> bool:
        """Whether it is spelled as v1 does: with a word in the place of letters."""
        return self.text.rpartition(".")[2] in V1

    @property
    def key(self) -> str:
        """What the pages call it by: `patient.read`, `user.write`, `system.read-write`."""
        reads = bool(self.actions & {Action.READ, Action.SEARCH})
        writes = bool(self.actions & {Action.CREATE, Action.UPDATE, Action.DELETE})
        return f"{self.level}.{'read-write' if reads and writes else 'write' if writes else 'read'}"

    def within(self, other: Scope) -> bool:
        """Whether the other one permits all that this one permits."""
        return (
            self.level == other.level
            and other.type in (self.type, EVERY_TYPE)
            and self.actions <= other.actions
            and set(other.parameters) <= set(self.parameters)
        )

    def meet(self, other: Scope) -> Scope | None:
        """What both permit, None where that is nothing."""
        actions = self.actions & other.actions
        if self.level != other.level or not actions:
            return None
        if self.within(other):
            return self
        if self.type != other.type and EVERY_TYPE not in (self.type, other.type):
            return None
        type_ = other.type if self.type == EVERY_TYPE else self.type
        parameters = tuple(dict.fromkeys((*self.parameters, *other.parameters)))
        return spelled(Scope(self.level, type_, actions, parameters), v1=self.v1)


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes of one request or token, each once, in order.

    `resources` are about resources, `named` about sign-in and launch (`openid`, `launch/patient`);
    `unknown` are those that nobody here understands: they grant nothing.
    """

    resources: tuple[Scope, ...] = ()
    named: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        """What is understood, as the text of a token."""
        return " ".join((*self.named, *(scope.text for scope in self.resources)))

    def __contains__(self, name: str) -> bool:
        """Whether a scope of sign-in or launch is among them."""
        return name in self.named

    @property
    def launch(self) -> tuple[str, ...]:
        """Those that ask for launch context: `launch`, `launch/patient`, `launch/encounter`."""
        return tuple(name for name in self.named if name.partition("/")[0] == "launch")

    def levels(self) -> frozenset[Level]:
        """Whose data the scopes speak of: patient, user, system."""
        return frozenset(scope.level for scope in self.resources)

    def within(self, allowed: Scopes) -> bool:
        """Whether every one of them is allowed whole by a single one of the others."""
        return set(self.named) <= set(allowed.named) and all(
            any(scope.within(other) for other in allowed.resources) for scope in self.resources
        )

    def without(self, refused: Iterable[str]) -> Scopes:
        """Those that are left when some, by their text, are not granted."""
        gone = set(refused)
        return replace(
            self,
            resources=tuple(scope for scope in self.resources if scope.text not in gone),
            named=tuple(name for name in self.named if name not in gone),
        )


def parse_scopes(text: str) -> Scopes:
    """The scopes of a space-separated text; what is not understood is among `unknown`.

    Raises MalformedRequest for a text of more than 16,384 characters or 500 scopes.
    """
    words = list(dict.fromkeys(text.split(" ")))
    if len(text) > MAX_LENGTH or len(words) > MAX_SCOPES:
        raise MalformedRequest(
            f"scope may have {MAX_LENGTH:,} characters and {MAX_SCOPES} scopes at most"
        )
    resources: list[Scope] = []
    named: list[str] = []
    unknown: list[str] = []
    for word in filter(None, words):
        scope = parse_scope(word)
        if scope is not None:
            resources.append(scope)
        elif word in NAMED or _LAUNCH.match(word):
            named.append(word)
        else:
            unknown.append(word)
    return Scopes(tuple(resources), tuple(named), tuple(unknown))


def parse_scope(text: str) -> Scope | None:
    """A scope about resources; None for anything else, and for what is almost one."""
    found = _RESOURCE.match(text) if _TOKEN.match(text) else None
    if found is None:
        return None
    type_, word, letters, query = found.group("type", "word", "letters", "query")
    letters = V1[word] if word else letters
    if not letters or (type_ != EVERY_TYPE and not definitions.load().is_resource(type_)):
        return None
    parameters = _parameters(query) if query else ()
    if parameters is None or (parameters and type_ == EVERY_TYPE):
        return None
    level: Level = found.group("level")  # type: ignore[assignment]
    return Scope(level, type_, frozenset(map(Action, letters)), parameters, text)


def _parameters(query: str) -> tuple[tuple[str, str], ...] | None:
    """The pairs of a granular scope; None where one is empty, repeated, chained or modified."""
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20
        )
    except ValueError:
        return None
    if any(not _PARAMETER.match(name) or not value.strip() for name, value in pairs):
        return None
    return tuple(dict.fromkeys(pairs))


def spelled(scope: Scope, *, v1: bool = False) -> Scope:
    """The scope with a text of its own, in the words of v1 where it is asked and possible."""
    letters = scope.letters
    words = {meaning: word for word, meaning in V1.items()}
    verb = words[letters] if v1 and letters in words and not scope.parameters else letters
    text = f"{scope.level}/{scope.type}.{verb}"
    if scope.parameters:
        safe = "/:|,$-_.~"
        text += "?" + "&".join(f"{name}={quote(value, safe)}" for name, value in scope.parameters)
    return replace(scope, text=text)


def intersect(asked: Scopes, allowed: Scopes) -> Scopes:
    """What is asked for and allowed, in the asker's spelling where nothing was cut away.

    Levels are apart: `user/*.rs` allows nothing that `patient/*.rs` asks for. A wildcard that is
    allowed in part becomes the list of those parts.
    """
    named = tuple(name for name in asked.named if name in allowed.named)
    resources: dict[Scope, None] = {}
    for scope in asked.resources:
        if any(scope.within(other) for other in allowed.resources):
            resources[scope] = None
            continue
        resources.update(dict.fromkeys(_parts(scope, allowed.resources)))
    return Scopes(_widest(resources), named)


def _parts(scope: Scope, allowed: Iterable[Scope]) -> Iterable[Scope]:
    """What the allowed scopes leave of one, those about the same resources put together."""
    parts: dict[tuple[str, frozenset[tuple[str, str]]], Scope] = {}
    for other in allowed:
        met = scope.meet(other)
        if met is None:
            continue
        place = (met.type, frozenset(met.parameters))
        known = parts.get(place)
        if known is not None:
            met = spelled(replace(known, actions=known.actions | met.actions), v1=scope.v1)
        parts[place] = met
    return parts.values()


def _widest(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The scopes without those that another one contains."""
    kept = list(scopes)
    return tuple(
        scope
        for scope in kept
        if not any(scope is not other and scope.within(other) for other in kept)
    )
