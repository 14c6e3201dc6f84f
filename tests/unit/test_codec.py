"""The wire's encoding: strict in writing, liberal in reading."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from pydantic import BaseModel

from oxmq.codec import (
    MAX_VALUE_BYTES,
    WireBackoff,
    WireKeep,
    WireOptions,
    decode_json,
    decode_json_or,
    encode_json,
    instant,
    instant_ms,
    keep_of,
    read_backoff,
    read_options,
    user_options,
    wire_options,
)
from oxmq.errors import ConfigurationError
from oxmq.options import Backoff, Deduplication, JobOptions, Keep, Parent, Telemetry, exponential, fixed


class Point(msgspec.Struct):
    x: float


@dataclass
class Place:
    point: Point


class Model(BaseModel):
    x: float


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
)


@given(json_values)
def test_what_json_carries_comes_back_and_others_read_the_same(value: Any) -> None:
    text = encode_json(value, "data")
    assert decode_json(text) == value
    assert json.loads(text) == value


def test_the_text_is_compact_utf_8() -> None:
    assert encode_json({"a": [1, None, "ü"], "b": True}, "data") == '{"a":[1,null,"ü"],"b":true}'.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Place(Point(1.5)), b'{"point":{"x":1.5}}'),
        (Model(x=2), b'{"x":2.0}'),
        ([Model(x=2), Point(1)], b'[{"x":2.0},{"x":1}]'),
        (datetime(2026, 1, 2, tzinfo=UTC), b'"2026-01-02T00:00:00Z"'),
    ],
)
def test_typed_values_are_written_as_plain_ones(value: object, text: bytes) -> None:
    assert encode_json(value, "data") == text


WRAPS: list[Callable[[float], object]] = [
    lambda number: number,
    lambda number: [None, number],
    lambda number: {"deep": [{"er": (number,)}]},
    lambda number: {1: number},
    Point,
    lambda number: Place(Point(number)),
]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", WRAPS)
def test_numbers_that_json_lacks_are_refused_not_lost(number: float, wrap: Callable[[float], object]) -> None:
    with pytest.raises(ConfigurationError, match=r"^data of job 'a' cannot be written as JSON: it contains NaN"):
        encode_json(wrap(number), "data of job 'a'")


def test_null_and_the_word_null_are_no_nan() -> None:
    assert encode_json(["null", None, {"null": None}], "data") == b'["null",null,{"null":null}]'


@pytest.mark.parametrize("text", [b"null", b'{"pages":null}', b'"null"'])
def test_json_that_was_written_elsewhere_is_passed_on(text: bytes) -> None:
    assert encode_json(msgspec.Raw(text), "result of job 'a'") == text


def cycle() -> list[Any]:
    knot: list[Any] = []
    knot.append(knot)
    return knot


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"\udfff": 1}, object(), {None: 1}, {(1, 2): 3}, lambda: None, cycle(), nested(200_000), 1j],
    ids=["surrogate", "surrogate key", "object", "None key", "tuple key", "function", "cycle", "depth", "complex"],
)
def test_what_json_cannot_carry_is_refused_by_name(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^progress cannot be written as JSON: "):
        encode_json(value, "progress")


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 10**30])
def test_a_whole_number_is_written_exactly_or_refused(number: int) -> None:
    try:
        text = encode_json(number, "data")
    except ConfigurationError:
        return
    assert json.loads(text) == number


def test_the_limit_counts_bytes_not_characters() -> None:
    assert encode_json("üü", "data", 6)
    with pytest.raises(ConfigurationError, match=r"^data takes 6 bytes as JSON; at most 5 are allowed$"):
        encode_json("üü", "data", 5)


def test_a_value_may_take_a_mebibyte() -> None:
    assert len(encode_json("x" * (MAX_VALUE_BYTES - 2), "data")) == MAX_VALUE_BYTES
    with pytest.raises(ConfigurationError, match="at most 1048576 are allowed"):
        encode_json("x" * (MAX_VALUE_BYTES - 1), "data")
    assert encode_json("x" * MAX_VALUE_BYTES, "data", None)


@pytest.mark.parametrize(
    ("text", "expected"), [(None, 7), (b"", 7), (b"{", 7), (b"NaN", 7), (b"null", None), (b'{"a":1}', {"a": 1})]
)
def test_what_is_not_json_reads_as_the_default(text: bytes | None, expected: object) -> None:
    assert decode_json_or(text, 7) == expected


# What the wire format's page on the job hash says of each option.
SPELLINGS: list[tuple[JobOptions, dict[str, Any]]] = [
    (JobOptions(), {}),
    (JobOptions(attempts=3), {"attempts": 3}),
    (JobOptions(delay="1.5s"), {"delay": 1500}),
    (JobOptions(timestamp=datetime(2026, 1, 1, tzinfo=UTC)), {"timestamp": 1767225600000}),
    (JobOptions(priority=5, lifo=True), {"priority": 5, "lifo": True}),
    (JobOptions(job_id="a"), {"jobId": "a"}),
    (JobOptions(backoff=2), {"backoff": {"type": "fixed", "delay": 2000}}),
    (JobOptions(backoff=fixed(2)), {"backoff": {"type": "fixed", "delay": 2000}}),
    (
        JobOptions(backoff=exponential(1, jitter=0.5)),
        {"backoff": {"type": "exponential", "delay": 1000, "jitter": 0.5}},
    ),
    (JobOptions(remove_on_complete=True, remove_on_fail=False), {"removeOnComplete": True, "removeOnFail": False}),
    (JobOptions(remove_on_complete=5, remove_on_fail=None), {"removeOnComplete": 5, "removeOnFail": False}),
    (
        JobOptions(remove_on_complete=Keep(count=5, age="1h", limit=10)),
        {"removeOnComplete": {"count": 5, "age": 3600, "limit": 10}},
    ),
    (JobOptions(remove_on_fail=Keep(age=timedelta(milliseconds=1500))), {"removeOnFail": {"age": 1.5}}),
    (
        JobOptions(keep_logs=10, stack_trace_limit=2, size_limit=99),
        {"kl": 10, "stackTraceLimit": 2, "sizeLimit": 99},
    ),
    (JobOptions(timeout=30), {"timeout": 30000}),
    (JobOptions(expires="1m"), {"expires": 60000}),
    (JobOptions(deduplication="d"), {"de": {"id": "d"}}),
    (JobOptions(deduplication=Deduplication("d")), {"de": {"id": "d"}}),
    (
        JobOptions(deduplication=Deduplication("d", ttl=1.5, extend=True, replace=True)),
        {"de": {"id": "d", "ttl": 1500, "extend": True, "replace": True}},
    ),
    (
        JobOptions(deduplication=Deduplication("d", keep_last_if_active=True, reschedule=True)),
        {"de": {"id": "d", "keepLastIfActive": True, "reschedule": True}},
    ),
    (JobOptions(parent=Parent("1", "bull:q")), {"parent": {"id": "1", "queue": "bull:q"}}),
    (JobOptions(fail_parent_on_failure=True), {"fpof": True}),
    (JobOptions(continue_parent_on_failure=True), {"cpof": True}),
    (JobOptions(ignore_dependency_on_failure=True), {"idof": True}),
    (JobOptions(remove_dependency_on_failure=True), {"rdof": True}),
    (JobOptions(fail_parent_on_failure=False), {}),
    (JobOptions(telemetry=Telemetry("00-abc", omit_context=True)), {"tm": "00-abc", "omc": True}),
    (JobOptions(telemetry=Telemetry("00-abc")), {"tm": "00-abc"}),
    (JobOptions(telemetry=Telemetry()), {}),
]


@pytest.mark.parametrize(("options", "spelled"), SPELLINGS)
def test_options_are_spelled_as_the_wire_does(options: JobOptions, spelled: dict[str, Any]) -> None:
    assert json.loads(encode_json(wire_options(options), "options")) == {"attempts": 0} | spelled


@pytest.mark.parametrize("options", [options for options, _ in SPELLINGS])
def test_options_mean_the_same_when_read_back(options: JobOptions) -> None:
    read = user_options(read_options(encode_json(wire_options(options), "options")))
    assert encode_json(wire_options(read), "options") == encode_json(wire_options(options), "options")


def test_options_of_another_library_are_read() -> None:
    text = (
        b'{"attempts":3,"backoff":1000,"removeOnFail":{"age":1.5e+3},"kl":5.0,"delay":1500.7,"tm":"x",'
        b'"de":{"id":"a","ttl":1500.0,"extend":false},"repeat":{"every":5},"fpof":true,"lifo":false}'
    )
    read = user_options(read_options(text))
    assert read.attempts == 3
    assert read.backoff == Backoff("fixed", 1000)
    assert read.remove_on_fail == Keep(age=1500)
    assert read.keep_logs == 5
    assert read.delay == pytest.approx(1.5007)
    assert read.lifo is False
    assert read.deduplication == Deduplication("a", ttl=1.5)
    assert read.fail_parent_on_failure is True
    assert read.telemetry == Telemetry("x")


@pytest.mark.parametrize(
    "member",
    [
        b'"de":null', b'"de":{"id":5}', b'"de":{"id":"a","ttl":"5"}', b'"parent":{"id":5,"queue":"bull:q"}',
        b'"parent":{"id":"5"}', b'"tm":{"a":1}', b'"fpof":null', b'"lifo":1', b'"delay":"soon"', b'"keepLogs":{}',
    ],
)  # fmt: skip
def test_one_option_that_is_not_understood_costs_no_other(member: bytes) -> None:
    read = user_options(read_options(b'{"attempts":3,%b,"kl":5,"backoff":{"type":"fixed","delay":10}}' % member))
    assert read == JobOptions(attempts=3, keep_logs=5, backoff=Backoff("fixed", 10))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (b'{"de":{"id":""}}', UNSET),
        (b'{"de":{}}', UNSET),
        (b'{"de":{"id":"a\\nb"}}', UNSET),
        (b'{"de":{"id":"a","ttl":0}}', Deduplication("a")),
        (b'{"de":{"id":"a","ttl":-5,"replace":true}}', Deduplication("a", replace=True)),
        (b'{"de":{"id":"a","unknown":1}}', Deduplication("a")),
    ],
)
def test_deduplications_of_another_library_are_read(stored: bytes, expected: object) -> None:
    assert user_options(read_options(stored)).deduplication == expected


@pytest.mark.parametrize("stored", [b'{"parent":{"id":"","queue":"bull:q"}}', b'{"parent":{"id":"1","queue":"q"}}'])
def test_a_parent_that_breaks_our_rules_is_left_out(stored: bytes) -> None:
    assert user_options(read_options(stored)).parent is UNSET


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b'{"attempts":"three"}'])
def test_options_that_are_not_understood_count_as_not_given(text: bytes) -> None:
    assert read_options(text) == WireOptions()


def test_a_delay_that_breaks_our_rules_is_left_out_and_the_rest_is_read() -> None:
    read = user_options(read_options(b'{"attempts":2,"delay":-5,"priority":9999999,"timeout":0}'))
    assert read == JobOptions(attempts=2)


@pytest.mark.parametrize(
    ("stored", "backoff"),
    [
        (b"{}", None),
        (b'{"backoff":250}', Backoff("fixed", 250)),
        (b'{"backoff":{"type":"exponential"}}', Backoff("exponential", 0)),
        (b'{"backoff":{"delay":10}}', Backoff("fixed", 10)),
        (b'{"backoff":{"type":"mine","delay":1.6,"jitter":1}}', Backoff("mine", 2, 1.0)),
    ],
)
def test_backoffs_are_read_in_every_form(stored: bytes, backoff: Backoff | None) -> None:
    assert read_backoff(read_options(stored)) == backoff


@pytest.mark.parametrize(
    ("stored", "keep"),
    [
        (WireKeep(), Keep()),
        (WireKeep(count=-1), Keep()),
        (WireKeep(count=5.0, age=2.5), Keep(count=5, age=2.5)),
        (WireKeep(limit=3), Keep(limit=3)),
    ],
)
def test_what_is_kept_is_read(stored: WireKeep, keep: Keep) -> None:
    assert keep_of(stored) == keep


def test_a_backoff_without_jitter_does_not_mention_it() -> None:
    assert msgspec.json.encode(WireBackoff("fixed", 5)) == b'{"type":"fixed","delay":5}'


@given(st.integers(0, 4_000_000_000_000))
def test_instants_are_exact_to_the_millisecond(ms: int) -> None:
    moment = instant(ms)
    assert moment.tzinfo is UTC
    assert instant_ms(moment) == ms
