"""Concepts below one another as their code system has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Node(NamedTuple):
    """One concept; `row` is what goes into the tree, its children in `contains`."""

    system: str
    code: str
    parents: tuple[str, ...]
    row: dict[str, Any]


def nested(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """The rows as a forest, each below the first of its parents that is there."""
    known = {(node.system, node.code): node for node in nodes}
    above: dict[tuple[str, str], tuple[str, str]] = {}
    for key, node in known.items():
        for parent in node.parents:
            candidate = (node.system, parent)
            if candidate in known and not _leads_to(candidate, key, above):
                above[key] = candidate
                break
    roots = []
    for key, node in known.items():
        if key in above:
            known[above[key]].row.setdefault("contains", []).append(node.row)
        else:
            roots.append(node.row)
    return roots


def _leads_to(
    start: tuple[str, str], goal: tuple[str, str], above: dict[tuple[str, str], tuple[str, str]]
) -> bool:
    """Whether the way up from `start` comes to `goal`: a hierarchy may run in a circle."""
    at: tuple[str, str] | None = start
    while at is not None:
        if at == goal:
            return True
        at = above.get(at)
    return False
