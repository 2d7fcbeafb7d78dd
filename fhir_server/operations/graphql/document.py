"""A GraphQL document read: one query, its fragments and its variables.

The grammar and the rules that need no schema are those of the library; what FHIR's types say is
held against the document by `checking`. https://spec.graphql.org/October2021/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSyntaxError,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    build_schema,
    parse,
    validate,
    value_from_ast_untyped,
)
from graphql.validation import (
    ExecutableDefinitionsRule,
    KnownFragmentNamesRule,
    LoneAnonymousOperationRule,
    NoFragmentCyclesRule,
    NoUndefinedVariablesRule,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    UniqueArgumentNamesRule,
    UniqueFragmentNamesRule,
    UniqueInputFieldNamesRule,
    UniqueOperationNamesRule,
    UniqueVariableNamesRule,
)

MAX_CHARACTERS = 100_000
MAX_TOKENS = 10_000
MAX_NESTING = 200
"""Brackets within brackets: beyond it the text is not even parsed."""

_RULES = (
    ExecutableDefinitionsRule,
    UniqueOperationNamesRule,
    LoneAnonymousOperationRule,
    UniqueFragmentNamesRule,
    KnownFragmentNamesRule,
    NoUnusedFragmentsRule,
    NoFragmentCyclesRule,
    UniqueVariableNamesRule,
    NoUndefinedVariablesRule,
    NoUnusedVariablesRule,
    UniqueArgumentNamesRule,
    UniqueInputFieldNamesRule,
)
_NO_TYPES = build_schema("type Query { none: Boolean }")


class Refused(Exception):
    """A document that cannot be carried out; `errors` say why."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Query:
    """The operation to carry out; `variables` have a value for each one that was declared."""

    selections: SelectionSetNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]


def read_query(text: str, operation_name: str, given: Mapping[str, Any]) -> Query:
    """The query in `text` named `operation_name` (empty: the only one) with its variables.

    Raises Refused for what is no GraphQL, breaks its rules, or is no query.
    """
    document = _parsed(text)
    errors = validate(_NO_TYPES, document, _RULES)
    if errors:
        raise Refused(errors)
    operation = _operation(document, operation_name)
    if operation.operation is not OperationType.QUERY:
        raise Refused(
            [
                GraphQLError(
                    f"A {operation.operation.value} is not supported; write through the REST API",
                    operation,
                )
            ]
        )
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    return Query(operation.selection_set, fragments, _variables(operation, given))


def _parsed(text: str) -> DocumentNode:
    depth = deepest = 0
    for sign in text:
        if sign in "{[(":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in "}])":
            depth -= 1
    if len(text) > MAX_CHARACTERS or deepest > MAX_NESTING:
        raise Refused(
            [
                GraphQLError(
                    f"The query is too large: {MAX_CHARACTERS:,} characters and {MAX_NESTING} "
                    "brackets within each other are the most"
                )
            ]
        )
    try:
        return parse(text, max_tokens=MAX_TOKENS)
    except GraphQLSyntaxError as error:
        raise Refused([error]) from None


def _operation(document: DocumentNode, name: str) -> OperationDefinitionNode:
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    named = [node for node in found if node.name and node.name.value == name] if name else found
    if len(named) == 1:
        return named[0]
    known = ", ".join(node.name.value for node in found if node.name) or "none with a name"
    wanted = f"There is no operation {name[:80]}" if name else "operationName must pick one"
    raise Refused([GraphQLError(f"{wanted}; the document has {known}")])


def _variables(operation: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    errors: list[GraphQLError] = []
    for declared in operation.variable_definitions or ():
        name = declared.variable.name.value
        if name in given:
            found[name] = given[name]
        elif declared.default_value is not None:
            found[name] = value_from_ast_untyped(declared.default_value)
        else:
            found[name] = None
        if found[name] is None and isinstance(declared.type, NonNullTypeNode):
            errors.append(GraphQLError(f"The variable ${name} needs a value", declared))
    if errors:
        raise Refused(errors)
    return found
