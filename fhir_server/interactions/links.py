"""What the references inside a Bundle point at. https://hl7.org/fhir/R4/bundle.html#references"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fhir_server.errors import MalformedRequest
from fhir_server.interactions.steps import Phase, Step

_REST_URL = re.compile(
    r"^(?P<base>https?://.+/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})$"
)
_RELATIVE = re.compile(r"^[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?$")
_HISTORY = "/_history/"
_MARKS = (b"urn:", b"?", b"\\", b"&")
"""What JSON has that means a URN, or asks for something; both may hide behind escapes."""
_STORES_NOTHING = (Phase.DELETE, Phase.ASK)


class Link(NamedTuple):
    """The step that a reference points at, and whether it names a version."""

    step: Step
    versioned: bool


class Links:
    """The steps by their fullUrls."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._by_url: dict[str, Step] = {}
        for step in steps:
            url = step.entry.full_url
            if not url or step.phase in _STORES_NOTHING:
                continue
            if url in self._by_url:
                raise MalformedRequest(
                    f"fullUrl {url[:200]} is that of entries {self._by_url[url].index} and "
                    f"{step.index}; references to it would mean either",
                    expression=(f"{step.entry.place}.fullUrl",),
                    code="duplicate",
                )
            self._by_url[url] = step
        self.has_bases = any(map(_REST_URL.match, self._by_url))
        """Whether relative references may point at an entry."""
        self.marks = _MARKS if all(url.startswith("urn:") for url in self._by_url) else ()
        """As `references.Settled` has them."""

    def find(self, text: str, source: Step) -> Link | None:
        """What `text`, in the resource of `source`, points at in this Bundle; None for nothing.

        A relative reference counts from the base of the source's own fullUrl.
        """
        step = self._by_url.get(text)
        if step is not None:
            return Link(step, False)
        bare, history, _ = text.partition(_HISTORY)
        if history and (step := self._by_url.get(bare)) is not None:
            return Link(step, True)
        if _RELATIVE.match(text):
            found = _REST_URL.match(source.entry.full_url)
            if found and (step := self._by_url.get(found["base"] + bare)) is not None:
                return Link(step, bool(history))
        return None
