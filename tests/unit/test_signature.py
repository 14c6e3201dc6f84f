"""A task's signature: arguments checked and converted by annotation, faults named by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, PositiveInt

from oxmq.errors import ConfigurationError
from oxmq.signature import Signature


@dataclass
class Address:
    street: str
    tags: list[str] = field(default_factory=list[str])


class Point(msgspec.Struct):
    x: int
    y: int = 0


class Order(BaseModel):
    id: PositiveInt
    lines: list[str] = []


class Colour(Enum):
    RED = "red"


def mixed(number: int, text: str = "none", *, flag: bool = False) -> None: ...


async def typed(address: Address, point: Point, order: Order) -> Order | None: ...


def rich(when: datetime, amount: Decimal, key: UUID, colour: Colour, pair: tuple[int, str]) -> None: ...


def bounded(size: Annotated[int, msgspec.Meta(ge=1, le=10)]) -> None: ...


def bare_function() -> Any:
    """Return a function that says nothing of its arguments."""
    names: dict[str, Any] = {}
    exec("def bare(anything, other=None): ...", names)
    return names["bare"]


bare = bare_function()


def test_arguments_become_data_by_name() -> None:
    assert Signature(mixed).to_data((5,), {"flag": True}) == {"number": 5, "flag": True}
    assert Signature(mixed).to_data((5, "a"), {}) == {"number": 5, "text": "a"}


def test_defaults_come_in_where_data_is_silent() -> None:
    assert Signature(mixed).from_data({"number": 5}) == {"number": 5, "text": "none", "flag": False}


def test_dataclasses_structs_and_models_go_and_come() -> None:
    signature = Signature(typed)
    arguments = {"address": Address("Main", ["a"]), "point": Point(1, 2), "order": Order(id=3, lines=["x"])}
    data = signature.to_data((), arguments)
    assert data == {
        "address": {"street": "Main", "tags": ["a"]},
        "point": {"x": 1, "y": 2},
        "order": {"id": 3, "lines": ["x"]},
    }
    assert signature.from_data(data) == arguments


def test_plain_values_do_for_typed_parameters() -> None:
    data = Signature(typed).to_data(({"street": "Main"}, {"x": 1}, {"id": 3}), {})
    assert Signature(typed).from_data(data)["point"] == Point(1, 0)


def test_values_that_json_spells_as_text_come_back_typed() -> None:
    arguments = {
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "amount": Decimal("1.10"),
        "key": UUID(int=5),
        "colour": Colour.RED,
        "pair": (1, "a"),
    }
    data = Signature(rich).to_data((), arguments)
    assert msgspec.json.decode(msgspec.json.encode(data)) == {**data, "pair": [1, "a"]}
    assert Signature(rich).from_data(msgspec.json.decode(msgspec.json.encode(data))) == arguments


@pytest.mark.parametrize(
    ("function", "kwargs", "message"),
    [
        (mixed, {"number": "five"}, r"task 'mixed': .*int.*`number`"),
        (mixed, {}, r"task 'mixed': missing a required argument: 'number'"),
        (mixed, {"number": 1, "extra": 2}, r"task 'mixed': .*'extra'"),
        (mixed, {"number": True}, r"task 'mixed': .*`number`"),
        (mixed, {"number": object()}, r"task 'mixed': .*object"),
        (typed, {"address": {}, "point": {"x": 1}, "order": {"id": 1}}, r"task 'typed': .*`street`.*`address`"),
        (typed, {"address": {"street": "a"}, "point": {"x": "1"}, "order": {"id": 1}}, r"`point\.x`"),
        (typed, {"address": {"street": "a"}, "point": {"x": 1}, "order": {"id": -1}}, r"id\b"),
        (bounded, {"size": 11}, r"task 'bounded': .*<= 10.*`size`"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(
    function: Callable[..., Any], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"(?s){message}"):
        Signature(function).to_data((), kwargs)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, r"missing required field `number`"),
        ({"number": "5"}, r"`number`"),
        ({"number": 5, "extra": 1}, r"`extra`"),
        ([], r"array"),
        (None, r"null"),
        ("text", r"str"),
    ],
)
def test_data_that_does_not_fit_is_refused_by_name(data: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^data does not fit task 'mixed': .*{message}"):
        Signature(mixed).from_data(data)


def test_a_function_without_annotations_takes_any_json() -> None:
    signature = Signature(bare)
    assert signature.to_data(([1, {"a": None}],), {}) == {"anything": [1, {"a": None}]}
    assert signature.from_data({"anything": 1}) == {"anything": 1, "other": None}


def positional_only(a: int, /) -> None: ...


def variable(*args: int) -> None: ...


def keywords(**kwargs: int) -> None: ...


@pytest.mark.parametrize(("function", "name"), [(positional_only, "a"), (variable, "args"), (keywords, "kwargs")])
def test_every_parameter_must_have_a_name_to_be_given_by(function: Callable[..., Any], name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"parameter '{name}' must be one that can be given by name"):
        Signature(function)


def unknown(a: int) -> None: ...


unknown.__annotations__["a"] = "Nowhere"


def test_an_annotation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"task 'unknown': an annotation cannot be resolved: .*Nowhere"):
        Signature(unknown)


def ambiguous(a: Point | Address) -> None: ...


def test_an_annotation_that_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="task 'ambiguous': "):
        Signature(ambiguous)


def mutable(items: list[int] = []) -> None: ...  # noqa: B006


def test_a_mutable_default_is_the_functions_own() -> None:
    assert Signature(mutable).from_data({}) == {"items": []}


def test_results_come_back_as_the_return_type() -> None:
    assert Signature(typed).read_result({"id": 1, "lines": []}) == Order(id=1)
    assert Signature(typed).read_result(None) is None
    assert Signature(bare).read_result([1]) == [1]


shapes = st.fixed_dictionaries(
    {"number": st.integers(-(2**63), 2**63 - 1)}, optional={"text": st.text(), "flag": st.booleans()}
)


@given(shapes)
def test_arguments_survive_the_way_through_json(arguments: dict[str, Any]) -> None:
    try:
        text = msgspec.json.encode(Signature(mixed).to_data((), arguments))
    except UnicodeEncodeError:
        return
    read = Signature(mixed).from_data(msgspec.json.decode(text))
    assert read == {"text": "none", "flag": False} | arguments


def test_an_object_is_any_value() -> None:
    def echo(value: object, other: object = None) -> object: ...

    signature = Signature(echo)
    assert signature.to_data(({"a": [1]},), {}) == {"value": {"a": [1]}}
    assert signature.from_data({"value": "x", "other": 2}) == {"value": "x", "other": 2}
    assert signature.read_result({"b": None}) == {"b": None}
