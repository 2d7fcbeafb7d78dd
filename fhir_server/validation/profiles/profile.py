"""A profile that is ready to run."""

from __future__ import annotations

from fhir_server.validation.profiles.checks import Test

__all__ = ["Profile"]


class Profile:
    """A profile ready to run. `must_support` are the ids of the elements that say so."""

    __slots__ = ("must_support", "test", "type", "url")

    def __init__(self, url: str, type_: str, must_support: tuple[str, ...], test: Test) -> None:
        self.url = url
        self.type = type_
        self.must_support = must_support
        self.test = test
