"""The search parameters of every type, R4's own and those that were added."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from fhir_server.fhir.definitions import Definitions, SearchParameter
from fhir_server.search.clinical_date import CLINICAL_DATE
from fhir_server.search.elements import Leaf, leaves
from fhir_server.search.expression import Path, about, parse, parse_relative, terms
from fhir_server.search.extraction import Walk
from fhir_server.search.kinds import Kind
from fhir_server.search.kinds.composite_match import ORDERED
from fhir_server.search.kinds.table import kind_of

ABSTRACT = ("Resource", "DomainResource")


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a composite: `parameter` says how its values are compared.

    `walks` find them, per type of the element that the composite is about. Where that is the
    resource itself and the part's own parameter has further ordered values (SampledData beside
    Quantity), `beyond` finds those; `whole` tells that the two together are all it has, `inside`
    that all of the part's values are its own parameter's too. `width` is how long an ordered value
    may be for a row of its own, None where the values are texts.
    """

    parameter: Parameter
    expressions: tuple[str, ...]
    walks: Mapping[str, Walk]
    beyond: Walk | None
    whole: bool
    inside: bool
    width: int | None


@dataclass(frozen=True)
class Parameter:
    """A search parameter as one resource type has it.

    `terms` are those sides of the expression that speak of this type; `paths` their plain paths,
    None where one of them needs the FHIRPath engine. `targets` are the types that a reference may
    lead to, narrowed by the element and by `where(resolve() is X)`. `stored` are the codes that
    its keys are written under: those of the parameters that it is the union of (`combo-code` is
    `code` or `component-code`), otherwise its own. `clinical_date` tells the one date parameter
    of the type that `d` and `e` answer; `patient` the references that `p` answers. `added` tells
    that it is none of R4's own. `systems` has the code systems of its codes, where a required
    binding implies them.
    """

    code: str
    url: str
    type: str
    base: str
    expression: str
    kind: Kind
    terms: tuple[str, ...] = ()
    paths: tuple[Path, ...] | None = ()
    leaves: tuple[Leaf, ...] = ()
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    stored: tuple[str, ...] = ()
    added: bool = False
    clinical_date: bool = False
    patient: bool = False
    systems: Mapping[str, str] = field(default_factory=dict, compare=False)
    description: str = ""

    @cached_property
    def single(self) -> bool:
        """Whether a resource has at most one value of it."""
        return self.paths is not None and all(not leaf.many for leaf in self.leaves)

    @cached_property
    def tokens(self) -> tuple[bool, ...]:
        """Of the parts of a composite that are texts, which ones are tokens."""
        return tuple(one.parameter.type == "token" for one in self.components if one.width is None)

    @cached_property
    def types(self) -> frozenset[str]:
        """The FHIR types that its values may have."""
        return frozenset(leaf.type for leaf in self.leaves)


class Registry:
    """All search parameters; a change makes a new registry.

    Types are compiled when they are first asked for. `Resource` and `DomainResource` stand for
    what all types have. `waiting` says of (type, code) why it cannot be searched by yet.
    """

    def __init__(
        self,
        definitions: Definitions,
        added: Sequence[SearchParameter] = (),
        waiting: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self.definitions = definitions
        self.added = tuple(added)
        self.waiting = waiting or {}
        self._by_url: dict[str, SearchParameter] = {}
        self._by_type: dict[str, list[SearchParameter]] = {}
        self._compiled: dict[str, dict[str, Parameter]] = {}
        for definition in (*definitions.search_parameters, *added):
            self._by_url[definition.url] = definition
            for base in definition.base:
                self._by_type.setdefault(base, []).append(definition)

    def find(self, type_: str, code: str) -> Parameter | None:
        """The parameter `code` of the type, None where it has none or the type is unknown."""
        return self._type(type_).get(code)

    def all(self, type_: str) -> tuple[Parameter, ...]:
        """Every parameter of the type, those of Resource and DomainResource included."""
        return tuple(self._type(type_).values())

    def common(self, types: Iterable[str]) -> tuple[Parameter, ...]:
        """The parameters that all the types share in code and type, as the first type has them."""
        first, *others = types
        return tuple(
            parameter
            for parameter in self.all(first)
            if all(
                (other := self.find(type_, parameter.code)) is not None
                and other.type == parameter.type
                for type_ in others
            )
        )

    def nearest(self, type_: str, code: str) -> tuple[str, ...]:
        """Up to three codes of the type that are spelled much like `code`, best first."""
        known = {name.casefold(): name for name in self._type(type_)}
        found = difflib.get_close_matches(code.casefold(), known, n=3, cutoff=0.6)
        return tuple(known[name] for name in found)

    def by_url(self, url: str, type_: str) -> Parameter | None:
        """The parameter with a canonical url, as the type would have it."""
        definition = self._by_url.get(url)
        return None if definition is None else self._parameter(definition, type_)

    def add(self, definition: SearchParameter) -> Registry:
        """A registry with one more; one of the same url is replaced."""
        others = [one for one in self.added if one.url != definition.url]
        return Registry(self.definitions, [*others, definition])

    def remove(self, url: str) -> Registry:
        """A registry without an added parameter; those of R4 stay."""
        return Registry(self.definitions, [one for one in self.added if one.url != url])

    def _type(self, type_: str) -> dict[str, Parameter]:
        compiled = self._compiled.get(type_)
        if compiled is None:
            compiled = self._compile(type_)
            self._compiled[type_] = compiled
        return compiled

    def _compile(self, type_: str) -> dict[str, Parameter]:
        if type_ not in ABSTRACT and type_ not in self.definitions.resource_types:
            return {}
        found: dict[str, Parameter] = {}
        for base in (*ABSTRACT, type_) if type_ not in ABSTRACT else (type_,):
            if self.definitions.is_a(type_, base):
                for definition in self._by_type.get(base, ()):
                    found[definition.code] = self._parameter(definition, type_)
        for code, parameter in found.items():
            found[code] = _with_stored(parameter, found.values())
        patient = found.get("patient") or found.get("subject")
        if patient is not None and patient.single and "Patient" in patient.targets:
            for code in ("patient", "subject"):
                same = found.get(code)
                if same is not None and _elements(same) == _elements(patient):
                    found[code] = replace(same, patient=True)
        return dict(sorted(found.items()))

    def _parameter(self, definition: SearchParameter, type_: str) -> Parameter:
        is_a = self.definitions.is_a
        own = tuple(
            term
            for term in terms(definition.expression or "")
            if term and (not about(term) or is_a(type_, about(term)))
        )
        paths = [parse(term, type_, is_a) for term in own]
        plain = None if None in paths else tuple(path for path in paths if path is not None)
        ends = leaves(self.definitions, type_, plain or ())
        return Parameter(
            code=definition.code,
            url=definition.url,
            type=definition.type,
            base=type_,
            expression=definition.expression or "",
            kind=kind_of(definition.type, definition.code),
            terms=own,
            paths=plain,
            leaves=ends,
            targets=self._targets(definition, ends),
            components=self._components(definition, type_, plain or (), ends),
            stored=(definition.code,),
            added=definition in self.added,
            clinical_date=CLINICAL_DATE.get(type_) == definition.code,
            systems=self._systems(ends),
            description=definition.description,
        )

    def _components(
        self,
        definition: SearchParameter,
        type_: str,
        around: Iterable[Path],
        contexts: Iterable[Leaf],
    ) -> tuple[Component, ...]:
        named = [
            parameter
            for part in definition.components
            if (parameter := self.by_url(part.definition, type_)) is not None
        ]
        if len(named) < len(definition.components):
            return ()
        found = []
        for part, parameter in zip(definition.components, named, strict=True):
            sides = tuple(terms(part.expression))
            paths = [path for side in sides if (path := parse_relative(side)) is not None]
            ends = {
                leaf.type
                for context in contexts
                for leaf in leaves(self.definitions, context.type, paths, type_)
            }
            # R4 names the two parts of DocumentReference's `relationship` the wrong way round:
            # the values decide.
            fitting = (one for one in (parameter, *named) if not one.types.isdisjoint(ends))
            walks = {
                context.type: Walk(self.definitions, context.type, type_, {0: paths})
                for context in contexts
            }
            parameter = next(fitting, parameter)
            further = set(parameter.paths or ()) - set(paths) if type_ in walks else set()
            beyond = (
                Walk(self.definitions, type_, type_, {0: further})
                if further and parameter.type in ORDERED
                else None
            )
            whole = set(walks) == {type_} and (beyond is not None or not further)
            places = {(*context, *path) for context in around for path in paths}
            inside = len(paths) == len(sides) and places <= set(parameter.paths or ())
            width = getattr(parameter.kind, "width", None)
            found.append(Component(parameter, sides, walks, beyond, whole, inside, width))
        return tuple(found)

    def _systems(self, ends: Iterable[Leaf]) -> dict[str, str]:
        found: dict[str, str] = {}
        for leaf in ends:
            if leaf.type == "code" and leaf.binding:
                for system, codes in (self.definitions.codings(leaf.binding) or {}).items():
                    found.update(dict.fromkeys(codes, system))
        return found

    def _targets(self, definition: SearchParameter, ends: Iterable[Leaf]) -> tuple[str, ...]:
        """Target types: those of the definition that the elements allow; all where neither says."""
        if definition.type != "reference":
            return ()
        everything = self.definitions.resource_types
        allowed: set[str] = set()
        for leaf in ends:
            allowed.update(leaf.targets or everything)
        named = set(definition.target) - {"Resource"} or set(everything)
        return tuple(sorted((allowed & named) or named))


def _elements(parameter: Parameter) -> set[Path]:
    """The paths without what narrows them by the type of a reference's target."""
    return {
        tuple(step for step in path if step.kind != "resolves") for path in parameter.paths or ()
    }


def _with_stored(parameter: Parameter, others: Iterable[Parameter]) -> Parameter:
    """The parameter, with `stored` naming those whose union it is."""
    sides = set(parameter.terms)
    if parameter.type not in ("token", "quantity", "composite") or len(sides) < 2:
        return parameter
    parts = [
        other
        for other in others
        if other.type == parameter.type
        and other.terms
        and set(other.terms) < sides
        and [part.expressions for part in other.components]
        == [part.expressions for part in parameter.components]
    ]
    covered: set[str] = set().union(*(part.terms for part in parts)) if parts else set()
    if covered != sides:
        return parameter
    return replace(parameter, stored=tuple(sorted(part.code for part in parts)))
