"""Targets of references: their types, and where they are at hand, their profiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.validation.faults import Faults
from fhir_server.validation.profiles.items import Item
from fhir_server.validation.profiles.library import CORE, split
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.slicing import Trees

__all__ = ["check_target"]


def check_target(urls: Sequence[str], trees: Trees) -> Callable[[Item, Run], Faults]:
    """The check of a Reference whose target is of one of the profiles."""

    def test(item: Item, run: Run) -> Faults:
        value = item.value
        literal = value.get("reference") if type(value) is dict else None
        resource = run.resolve(literal) if type(literal) is str else None
        type_ = resource.get("resourceType") if resource is not None else _told(literal, value)
        if type(type_) is not str:
            return None
        known = {url: _type(url, trees) for url in urls}
        fitting = [url for url, of in known.items() if of in (type_, None, "Resource")]
        if not fitting:
            may = ", ".join(sorted({of for of in known.values() if of}))
            text = f"a reference to {type_} is not allowed by the profile: give {may}"
            return run.fault("structure", text)
        if resource is None:
            return None
        target = Item(type_, resource, None, "")
        answers = [trees.conforms(target, url, run) for url in fitting if _is_profile(url)]
        if len(answers) < len(fitting) or not answers or False not in answers:
            return None
        if True in answers or None in answers:
            return None
        text = f"{str(literal)[:80]} does not conform to {' or '.join(fitting)}"
        return run.fault("structure", text)

    return test


def _is_profile(url: str) -> bool:
    plain = split(url)[0]
    return not (plain.startswith(CORE) and plain[len(CORE) :][:1].isupper())


def _told(literal: object, value: object) -> object:
    """The type that the reference itself tells; None where it does not."""
    if type(literal) is str and literal[:1] != "#" and "/" in literal and "?" not in literal:
        name = literal.partition("/_history/")[0].split("/")[-2]
        if name[:1].isupper() and name.isalpha():
            return name
    return value.get("type") if type(value) is dict else None


def _type(url: str, trees: Trees) -> str | None:
    """The type that a profile is of; None where that is not known."""
    if not _is_profile(url):
        return split(url)[0][len(CORE) :]
    tree = trees.tree(url)
    return tree.element["path"] if tree is not None else None
