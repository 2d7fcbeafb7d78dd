"""Finding the values of many plain paths in one walk over a resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from fhir_server.fhir.definitions import Definitions
from fhir_server.search.elements import properties, same_type
from fhir_server.search.expression import Path, Step
from fhir_server.search.kinds import Node
from fhir_server.search.references import target_type

Test = Callable[[Any, int, dict[str, Any]], bool]
"""Whether an element counts: its value, its position, the resource it lies in."""

_NO_CONTENT = frozenset(("extension", "id", "modifierExtension"))


class _Edge:
    """A JSON property on the way: the slots that end here, and what lies below."""

    __slots__ = ("below", "ends", "steps", "test")

    def __init__(self, steps: Path, test: Test | None) -> None:
        self.steps = steps
        self.test = test
        self.ends: list[tuple[int, str]] = []
        self.below: dict[str, list[_Edge]] = {}


class Walk:
    """The paths of numbered slots from one type (or backbone), merged to a tree.

    A slot's values come in the order of the resource; an element that has only extensions is no
    value.
    """

    def __init__(
        self,
        definitions: Definitions,
        type_: str,
        resource_type: str,
        slots: Mapping[int, Iterable[Path]],
    ) -> None:
        self._definitions = definitions
        self._tree: dict[str, list[_Edge]] = {}
        self._root_tree: dict[str, list[_Edge]] = {}
        self._whole = [slot for slot, paths in slots.items() if () in paths]
        self._type = type_
        for slot, paths in slots.items():
            for path in paths:
                if path and path[0].kind == "root":
                    self._add(self._root_tree, resource_type, path[1:], slot)
                elif path:
                    self._add(self._tree, type_, path, slot)
        self._direct = self._properties()

    @property
    def names(self) -> Set[str]:
        """The JSON properties that the paths begin with."""
        return self._tree.keys()

    @property
    def outward(self) -> bool:
        """Whether a path begins at the resource, wherever the value lies in it."""
        return bool(self._root_tree)

    def find(self, value: dict[str, Any], resource: dict[str, Any]) -> dict[int, list[Node]]:
        """The values of the slots that have any; `resource` is what `value` lies in."""
        found: dict[int, list[Node]] = {}
        for slot in self._whole:
            found[slot] = [(self._type, value)]
        _walk(self._tree, value, resource, found)
        if self._root_tree:
            _walk(self._root_tree, resource, resource, found)
        return found

    def one(self, value: dict[str, Any], resource: dict[str, Any]) -> Sequence[Node]:
        """The values of slot 0."""
        if self._direct is None:
            return self.find(value, resource).get(0, ())
        found: list[Node] = []
        for name, type_ in self._direct:
            child = value.get(name)
            if child is not None:
                found += nodes_of(type_, child)
        return found

    def slots(self, name: str) -> list[int] | None:
        """The slots of which a property is itself the value.

        None where a path leads on from there, or asks something of the value.
        """
        edges = self._tree.get(name, ())
        if any(edge.below or edge.test for edge in edges):
            return None
        return [slot for edge in edges for slot, _ in edge.ends]

    def _properties(self) -> list[tuple[str, str]] | None:
        """The properties and their types, where the paths are nothing but properties of slot 0."""
        if self._root_tree or self._whole:
            return None
        if any(self.slots(name) != [0] for name in self._tree):
            return None
        return [(name, edges[0].ends[0][1]) for name, edges in self._tree.items()]

    def _add(self, tree: dict[str, list[_Edge]], type_: str, path: Path, slot: int) -> None:
        name, after = path[0], 1
        while after < len(path) and path[after].kind not in ("name", "root"):
            after += 1
        narrowing, rest = path[1:after], path[after:]
        wanted = [step.name for step in narrowing if step.kind == "as"]
        steps = tuple(step for step in narrowing if step.kind != "as")
        for one in properties(self._definitions, type_, name.name):
            if any(not same_type(one.leaf.type, type_) for type_ in wanted):
                continue
            edges = tree.setdefault(one.json, [])
            edge = next((edge for edge in edges if edge.steps == steps), None)
            if edge is None:
                edge = _Edge(steps, _test(self._definitions, steps))
                edges.append(edge)
            if rest:
                self._add(edge.below, one.leaf.type, rest, slot)
            elif (slot, one.leaf.type) not in edge.ends:
                edge.ends.append((slot, one.leaf.type))


def nodes_of(type_: str, child: Any) -> list[Node]:
    """The values of a property, without those that have only extensions."""
    found: list[Node] = []
    for item in child if type(child) is list else (child,):
        if item is None or (type(item) is dict and len(item) < 4 and _NO_CONTENT.issuperset(item)):
            continue
        found.append((type_, item))
    return found


def _walk(
    tree: dict[str, list[_Edge]],
    value: dict[str, Any],
    resource: dict[str, Any],
    found: dict[int, list[Node]],
) -> None:
    # The smaller of the two is gone through: a composite's part looks for one or two names only.
    for name in tree if len(tree) < len(value) else value:
        edges = tree.get(name)
        child = value.get(name)
        if edges is None or child is None:
            continue
        items = child if type(child) is list else (child,)
        for edge in edges:
            test, ends, below = edge.test, edge.ends, edge.below
            for position, item in enumerate(items):
                if item is None or (test is not None and not test(item, position, resource)):
                    continue
                nested = type(item) is dict
                if nested and len(item) < 4 and _NO_CONTENT.issuperset(item):
                    continue
                for slot, type_ in ends:
                    nodes = found.get(slot)
                    if nodes is None:
                        found[slot] = [(type_, item)]
                    else:
                        nodes.append((type_, item))
                if below and nested:
                    _walk(below, item, resource, found)


def _test(definitions: Definitions, steps: Path) -> Test | None:
    tests = [_one_test(definitions, step) for step in steps]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda item, position, resource: all(test(item, position, resource) for test in tests)


def _one_test(definitions: Definitions, step: Step) -> Test:
    name, value = step.name, step.value
    if step.kind == "at":
        wanted = int(name)
        return lambda item, position, resource: position == wanted
    if step.kind == "resolves":
        return lambda item, position, resource: definitions.is_a(target_type(item, resource), name)
    return lambda item, position, resource: type(item) is dict and item.get(name) == value
