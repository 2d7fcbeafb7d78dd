"""Terminology for bindings: what the program brings, with value sets and code systems beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from fhir_server.terminology import base
from fhir_server.terminology.library import BaseLibrary, WithGiven
from fhir_server.terminology.membership import Membership

__all__ = ["LiveMembers"]

Json = dict[str, Any]


class LiveMembers:
    """Answers at once, from memory. What was put in goes before what the program brings."""

    def __init__(self) -> None:
        self._library = BaseLibrary(base.load())
        self._given: dict[str, Json] = {}
        self._base = Membership(self._library)
        self._membership: Membership | None = self._base

    def contains(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether a value set has a code; None where that cannot be told here."""
        return self._now().contains(value_set, system, code)

    def displays(self, system: str, version: str, code: str, language: str) -> Sequence[str]:
        """How a code may be displayed; empty where that cannot be told here."""
        return self._now().displays(system, version, code, language)

    def _now(self) -> Membership:
        if self._membership is None:
            given = list(self._given.values())
            self._membership = Membership(WithGiven(self._library, given)) if given else self._base
        return self._membership

    def put(self, id_: str, raw: bytes) -> None:
        """Take in a ValueSet or CodeSystem under an id, instead of what was there before."""
        self._given[id_] = msgspec.json.decode(raw)
        self._membership = None

    def drop(self, id_: str) -> None:
        """Forget what was under an id."""
        if self._given.pop(id_, None) is not None:
            self._membership = None
