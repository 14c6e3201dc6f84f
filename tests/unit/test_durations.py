"""Lengths of time: every form that is read, and every one that is refused."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.durations import milliseconds, positive_milliseconds
from oxmq.errors import ConfigurationError

CENTURY_MS = 100 * 365 * 86_400_000
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1, 1_000),
        (0.25, 250),
        (0.0004, 0),
        (0.0006, 1),
        (timedelta(minutes=2), 120_000),
        (timedelta(microseconds=1_500), 2),
        ("250ms", 250),
        ("90s", 90_000),
        ("10m", 600_000),
        ("2h30m", 9_000_000),
        ("1d", 86_400_000),
        ("2w", 1_209_600_000),
        ("1.5h", 5_400_000),
        (" 2h 30m ", 9_000_000),
        (CENTURY_MS / 1000, CENTURY_MS),
    ],
)
def test_reads_every_form(value: object, expected: int) -> None:
    assert milliseconds(value, "delay") == expected


@pytest.mark.parametrize(
    "value",
    ["", "  ", "10", "10 minutes", "m", "-5s", "1h-5m", "5x", "five", "1.s", None, True, [], b"5s", object()],
)
def test_refuses_what_is_no_duration(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^delay must be .*\b(10m|seconds|text)\b"):
        milliseconds(value, "delay")


@pytest.mark.parametrize(
    "value", [-1, -0.001, timedelta(seconds=-1), math.nan, math.inf, -math.inf, CENTURY_MS / 1000 + 1, "5300w"]
)
def test_refuses_what_is_out_of_range(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"^ttl must be between 0 and 100 years, not "):
        milliseconds(value, "ttl")


def test_none_is_no_duration() -> None:
    with pytest.raises(ConfigurationError, match="delay"):
        milliseconds(None, "delay")


def test_nothing_is_no_duration_where_some_time_must_pass() -> None:
    assert positive_milliseconds("1s", "timeout") == 1_000
    with pytest.raises(ConfigurationError, match="timeout must be longer than 0"):
        positive_milliseconds(0.0001, "timeout")


@given(st.integers(0, CENTURY_MS))
def test_milliseconds_survive_each_form(ms: int) -> None:
    assert milliseconds(timedelta(milliseconds=ms), "x") == ms
    assert milliseconds(f"{ms}ms", "x") == ms
    assert milliseconds(ms / 1000, "x") == ms


@given(st.dictionaries(st.sampled_from(sorted(UNITS)), st.integers(0, 99), min_size=1))
def test_a_text_is_the_sum_of_its_parts(parts: dict[str, int]) -> None:
    text = "".join(f"{number}{unit}" for unit, number in parts.items())
    assert milliseconds(text, "x") == sum(UNITS[unit] * number for unit, number in parts.items())


@given(st.one_of(st.text(), st.floats(), st.integers(), st.timedeltas(), st.booleans(), st.none()))
def test_anything_is_read_or_refused_by_name(value: object) -> None:
    try:
        ms = milliseconds(value, "some_field")
    except ConfigurationError as error:
        assert str(error).startswith("some_field must be ")
    else:
        assert 0 <= ms <= CENTURY_MS
