"""The compiled executor gives the same data and errors as graphql-core."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any
from unittest import TestCase

import strawberry
from graphql import DocumentNode, execute, parse, validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.execution import ExecutionResult

from backend.core.graphql.compiled import CompiledExecutor
from backend.core.graphql.compiled.plans import MAX_PLANS


class Executor(CompiledExecutor):
    uses_before_compilation = 0
    completed = 0

    def _run(self, *arguments: Any) -> tuple[bool, Any]:
        is_complete, data = super()._run(*arguments)
        Executor.completed += is_complete
        return is_complete, data


class StandardExecutor(StrawberryGraphQLCoreExecutionContext):
    pass


@strawberry.enum
class Color(Enum):
    RED = "red"
    BLUE = "blue"


class IsOdd(BasePermission):
    message = "The number is even."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return bool(source.number % 2)


class Shout(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return f"{next_(source, info, **kwargs)}!"


@strawberry.input
class Box:
    sizes: list[int]
    label: str | None = "none"
    inner: "Box | None" = None


@strawberry.interface
class Named:
    name: str

    @strawberry.field
    def greeting(self, prefix: str = "Hello") -> str:
        return f"{prefix} {self.name}"


@strawberry.type
class Part(Named):
    number: int
    ratio: float | None = 0.5
    color: Color | None = None

    @strawberry.field
    def next(self) -> "Part | None":
        return make_part(self.number + 1) if self.number % 5 else None

    @strawberry.field
    def path(self, info: strawberry.Info) -> list[str]:
        return [str(key) for key in info.path.as_list()]

    @strawberry.field
    def failing(self) -> str | None:
        if self.number % 3 == 0:
            raise ValueError(f"part {self.number} fails")
        return "fine"

    @strawberry.field
    def required(self) -> str:
        return "text" if self.number % 4 else None  # type: ignore[return-value]

    @strawberry.field
    def returned_error(self) -> int | None:
        return ValueError("returned") if self.number % 7 == 0 else 1  # type: ignore[return-value]

    @strawberry.field(permission_classes=[IsOdd])
    def guarded(self) -> str | None:
        return "open"

    @strawberry.field(extensions=[Shout()])
    def extended(self, word: str = "hey") -> str:
        return word

    @strawberry.field
    def big(self) -> int | None:
        return 2**31 if self.number % 2 else 2**31 - 1

    @strawberry.field
    def rows(self) -> list[list[int | None]]:
        return [[1, None], [], [self.number]]

    @strawberry.field
    def parts(self, info: strawberry.Info, count: int = 2) -> list["Part | None"]:
        return [None if index % 4 == 3 else make_part(self.number + index) for index in range(count)]

    @strawberry.field
    def generated(self) -> list[int]:
        return (value for value in (1, 2))  # type: ignore[return-value]

    @strawberry.field
    def packed(self, box: Box) -> str:
        box.sizes.append(self.number)
        return f"{box.label} {box.sizes} {box.inner}"

    @strawberry.field
    def color_again(self, color: Color = Color.BLUE) -> Color:
        return color

    @strawberry.field
    def invalid_color(self) -> Color | None:
        return "green" if self.number % 2 else Color.RED  # type: ignore[return-value]


@strawberry.type
class Whole(Named):
    parts: tuple[Part, ...] | None = strawberry.field(graphql_type=list[Part] | None)
    flag: bool = True

    @strawberry.field
    def things(self) -> list[Named]:
        return [self, *(self.parts or ())]


@dataclass
class Stranger:
    """An object that is of no GraphQL type."""

    name: str = "stranger"


def make_part(number: int) -> Part:
    color = (Color.RED, Color.BLUE, None)[number % 3]
    return Part(name=f"part {number}", number=number, ratio=None if number % 2 else 0.25, color=color)


@strawberry.type
class Query:
    @strawberry.field
    def part(self, number: int = 1) -> Part | None:
        return make_part(number) if number >= 0 else None

    @strawberry.field
    def whole(self, size: int = 2) -> Whole:
        return Whole(name="whole", parts=tuple(make_part(number) for number in range(size)))

    @strawberry.field
    def named(self, index: int = 0) -> Named | None:
        return (make_part(3), Whole(name="w", parts=None), Stranger(), None)[index % 4]  # type: ignore[return-value]

    @strawberry.field
    def either(self, index: int = 0) -> Part | Whole:
        return make_part(1) if index % 2 else Whole(name="w", parts=())


@strawberry.type
class Mutation:
    @strawberry.mutation
    def count(self, info: strawberry.Info, step: int = 1) -> Part:
        info.context["calls"] += step
        return make_part(info.context["calls"])

    @strawberry.mutation
    def plain(self, info: strawberry.Info) -> int:
        info.context["calls"] += 1
        return info.context["calls"]


compiled = strawberry.Schema(Query, Mutation, types=[Part, Whole], execution_context_class=Executor)
standard = strawberry.Schema(Query, Mutation, types=[Part, Whole], execution_context_class=StandardExecutor)
for schema in (compiled, standard):
    schema.process_errors = lambda *_: None  # type: ignore[method-assign]

VARIABLES = {"yes": True, "no": False, "null": None, "n": 4, "text": "v", "box": {"sizes": [7]}}
TYPES = {
    "yes": "Boolean!",
    "no": "Boolean!",
    "null": "Boolean = true",
    "n": "Int!",
    "text": "String!",
    "box": "Box!",
}
# Types of fragments that can match an object of a type.
MATCHING = {"Part": ["Part", "Named"], "Whole": ["Whole", "Named"]}
ANY = ["Part", "Whole", "Named"]
# Accepted values of each argument.
VALUES = {
    "number": ["0", "3", "$n", "-1"],
    "size": ["0", "1", "$n"],
    "index": ["0", "1", "2", "3", "$n"],
    "step": ["1", "$n"],
    "prefix": ['"Hi"', "$text"],
    "word": ["$text", '"a"'],
    "count": ["0", "1", "$n"],
    "box": ["$box", '{sizes: [1], label: "x"}', "{sizes: [$n, 2], inner: $box}"],
    "color": ["RED"],
}
FRAGMENTS = {"Part": "PartFields", "Whole": "WholeFields", "Named": "NamedFields"}
DIRECTIVES = ["", "", "", " @skip(if: $no)", " @include(if: $no)", " @skip(if: true)", " @include(if: $yes)"]
# A condition that is null is an error, so that it is rare.
DIRECTIVES = [*DIRECTIVES * 8, " @include(if: $null)"]


@st.composite
def selections(draw: Any, type_name: str, depth: int, spread: bool = True) -> str:
    """Draw a selection set on a type."""
    graphql_type = compiled._schema.type_map[type_name]
    fields = getattr(graphql_type, "fields", {})
    nodes = []
    for _ in range(draw(st.integers(1, 4))):
        directive = draw(st.sampled_from(DIRECTIVES))
        kind = draw(st.sampled_from(["field"] * 6 + ["inline", "typed", "spread", "typename"]))
        if kind == "inline" and depth:
            nodes.append(f"...{directive} {draw(selections(type_name, depth - 1, spread))}")
        elif kind == "typed" and depth and type_name not in ("Query", "Mutation"):
            other = draw(st.sampled_from(MATCHING.get(type_name, ANY)))
            nodes.append(f"... on {other}{directive} {draw(selections(other, depth - 1, spread))}")
        elif kind == "spread" and spread and type_name not in ("Query", "Mutation"):
            nodes.append(f"...{FRAGMENTS[draw(st.sampled_from(MATCHING.get(type_name, ANY)))]}{directive}")
        elif kind == "field" and fields:
            nodes.append(draw(field(type_name, draw(st.sampled_from(sorted(fields))), depth, spread)) or "")
        else:
            nodes.append(f"__typename{directive}")
    return "{ " + " ".join(filter(None, nodes)) + " __typename }"


@st.composite
def field(draw: Any, type_name: str, name: str, depth: int, spread: bool) -> str:
    """Draw a field with an alias that depends on its arguments, so that fields can be merged."""
    definition = compiled._schema.type_map[type_name].fields[name]  # type: ignore[union-attr]
    arguments = []
    # Fields of different types can have different types themselves.
    alias = name if name in ("name", "greeting") else f"{type_name}_{name}"
    for argument, accepted in definition.args.items():
        is_required = str(accepted.type).endswith("!") and accepted.default_value is accepted.out_name
        if argument == "box" or is_required or draw(st.booleans()):
            index = draw(st.integers(0, len(VALUES[argument]) - 1))
            arguments.append(f"{argument}: {VALUES[argument][index]}")
            alias += f"_{index}"
    call = f"({', '.join(arguments)})" if arguments else ""
    inner = str(definition.type).strip("[]!").replace("!", "").replace("]", "")
    below = ""
    if inner in ("Part", "Whole", "Named", "PartWhole"):
        if not depth:
            return ""
        below = " " + draw(selections(inner, depth - 1, spread))
    directive = draw(st.sampled_from(DIRECTIVES))
    return f"{alias}: {name}{call}{directive}{below}"


@st.composite
def documents(draw: Any) -> str:
    """Draw a document with one operation and a fragment on each type."""
    kind, root = draw(st.sampled_from([("query", "Query")] * 3 + [("mutation", "Mutation")]))
    text = draw(selections(root, 3))
    for type_name, name in FRAGMENTS.items():
        if f"...{name}" in text:
            text += f" fragment {name} on {type_name} {draw(selections(type_name, 1, False))}"
    used = [f"${name}: {type_}" for name, type_ in TYPES.items() if re.search(rf"\${name}\b", text)]
    return f"{kind} Run{'(' + ', '.join(used) + ')' if used else ''} {text}"


def outcome(schema: strawberry.Schema, document: str) -> Any:
    context = {"calls": 0}
    result = schema.execute_sync(document, variable_values=VARIABLES, context_value=context)
    assert isinstance(result, ExecutionResult)
    errors = [
        (error.message, error.path, error.locations, error.extensions, type(error.original_error))
        for error in result.errors or ()
    ]
    return result.data, errors, context


class CompiledExecutorTest(TestCase):
    def assert_same(self, document: str) -> None:
        for _ in range(2):
            assert outcome(compiled, document) == outcome(standard, document), document

    def assert_compiled(self, document: str, runs: int) -> None:
        Executor.completed = 0
        self.assert_same(document)
        assert Executor.completed == runs, document

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents())
    def test_any_operation_gives_the_same_response(self, document: str) -> None:
        self.assert_same(document)

    def test_generated_documents_are_mostly_valid_and_compiled(self) -> None:
        valid = completed = 0

        @settings(max_examples=100, deadline=None, derandomize=True, database=None)
        @given(documents())
        def count(document: str) -> None:
            nonlocal valid, completed
            Executor.completed = 0
            valid += not validate(compiled._schema, parse(document))
            outcome(compiled, document)
            completed += bool(Executor.completed)

        count()
        assert valid > 95
        assert completed > 40

    def test_every_kind_of_field_is_compiled(self) -> None:
        for document in self._supported():
            with self.subTest(document):
                self.assert_compiled(document, 2)

    def _supported(self) -> Iterator[str]:
        yield "{ part(number: 1) { name number ratio color path next { name } rows colorAgain } }"
        yield 'query($n: Int!) { part { parts(count: $n) { greeting(prefix: "a") number } } }'
        yield "query($box: Box!) { part { packed(box: $box) parts { packed(box: $box) } } }"
        yield "{ whole { name flag parts { name guarded: number } things { __typename name } } }"
        yield "{ named { name ... on Part { number } } either(index: 1) { ... on Part { path } } }"
        yield "query($yes: Boolean!) { part { name @skip(if: $yes) number @include(if: $yes) } }"
        yield '{ part { extended(word: "a") guarded } }'
        yield "mutation { count { number next { number } } }"
        yield "{ part(number: -1) { name } }"

    def test_errors_are_reported_as_by_the_standard_executor(self) -> None:
        for selection in (
            "failing",
            "required",
            "returnedError",
            "guarded",
            "big",
            "invalidColor",
            "parts { failing required name }",
        ):
            for number in range(8):
                document = f"{{ part(number: {number}) {{ name {selection} }} }}"
                with self.subTest(document):
                    self.assert_same(document)

    def test_failing_payload_runs_the_mutation_once(self) -> None:
        context = {"calls": 2}
        for _ in range(2):
            result = compiled.execute_sync(
                "mutation { count { number failing } plain }", context_value=context
            )
        assert context["calls"] == 6
        assert result.data
        assert result.data["plain"] == 6

    def test_operation_with_an_unsupported_value_is_not_compiled_again(self) -> None:
        document = "{ part { generated name } }"
        self.assert_compiled(document, 0)

    def test_condition_that_is_null_fails_as_in_the_standard_executor(self) -> None:
        document = "query($show: Boolean = true) { part { name next { number @include(if: $show) } } }"
        for values in ({}, {"show": None}, {"show": None}, {"show": False}, {"show": None}):
            with self.subTest(values):
                actual, expected = (
                    schema.execute_sync(document, variable_values=values) for schema in (compiled, standard)
                )
                assert (actual.data, str(actual.errors)) == (expected.data, str(expected.errors))

    def test_many_conditions_do_not_make_many_plans(self) -> None:
        names = [f"v{number}" for number in range(6)]
        variables = ", ".join(f"${name}: Boolean!" for name in names)
        fields = " ".join(f"{name}: name @include(if: ${name})" for name in names)
        # Parsed once, as by the cache of documents.
        operation = parse(f"query({variables}) {{ part {{ number {fields} }} }}").definitions[0]
        for number in range(2 ** len(names)):
            values = {name: bool(number >> bit & 1) for bit, name in enumerate(names)}
            execute(
                compiled._schema,
                DocumentNode(definitions=(operation,)),
                variable_values=values,
                executor_class=Executor,
                context_value={"calls": 0},
            )
        assert len(vars(operation)["compiled plans"].by_condition) == MAX_PLANS

    def test_conditions_of_one_operation_have_plans_of_their_own(self) -> None:
        document = (
            "query($yes: Boolean!, $no: Boolean!) { part { name @skip(if: $yes) number @skip(if: $no) } }"
        )
        for yes in (True, False):
            for no in (True, False):
                values = {"yes": yes, "no": no}
                assert (
                    compiled.execute_sync(document, variable_values=values).data
                    == standard.execute_sync(document, variable_values=values).data
                )
