"""Scopes in plain words: what the approval page says of each, ready for both languages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhir_server.access.scopes import EVERY_TYPE, Scope, Scopes
from fhir_server.web.messages import MESSAGES

IDENTITY = ("openid", "fhirUser", "profile")


@dataclass(frozen=True, slots=True)
class Item:
    """One box to tick. `text` is the scopes that it grants, separated by blanks.

    `key` is the message that names it, `verbs` the keys of what the app could do, `limits` the
    pairs that a granular scope is limited to; `fallback` the FHIR type where no message names it.
    """

    text: str
    key: str
    verbs: tuple[str, ...] = ()
    limits: tuple[tuple[str, str], ...] = ()
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Boxes under one heading, the key of a message."""

    key: str
    items: tuple[Item, ...]


def asked(scopes: Scopes) -> list[Group]:
    """The boxes of a page; scopes of launch context have none, they go with the others."""
    groups = [
        Group("about-you", tuple(_named(scopes))),
        *(
            Group(f"level-{level}", tuple(_item(s) for s in scopes.resources if s.level == level))
            for level in ("patient", "user")
        ),
        Group("how-long", tuple(_lasting(scopes))),
    ]
    return [group for group in groups if group.items]


def _named(scopes: Scopes) -> Iterator[Item]:
    identity = [name for name in scopes.named if name in IDENTITY]
    if identity:
        yield Item(" ".join(identity), "identity")


def _lasting(scopes: Scopes) -> Iterator[Item]:
    for name in ("online_access", "offline_access"):
        if name in scopes:
            yield Item(name, name)


def _item(scope: Scope) -> Item:
    key = "type-every" if scope.type == EVERY_TYPE else f"type-{scope.type}"
    known = key in MESSAGES
    return Item(
        scope.text,
        key if known else "type-other",
        tuple(_verbs(scope.letters)),
        tuple((name, value.rpartition("|")[2] or value) for name, value in scope.parameters),
        "" if known else scope.type,
    )


def _verbs(letters: str) -> Iterator[str]:
    if "r" in letters:
        yield "verb-read"
    elif "s" in letters:
        yield "verb-search"
    for letter in letters:
        if letter in "cud":
            yield f"verb-{letter}"
