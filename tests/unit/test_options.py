"""The options users pass: each bad value names its field, and layers lie over one another."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from oxmq.errors import ConfigurationError
from oxmq.options import (
    FAILURE_POLICIES,
    MAX_PRIORITY,
    NO_OPTIONS,
    Backoff,
    Deduplication,
    JobOptionArgs,
    JobOptions,
    Keep,
    Parent,
    RateLimit,
    Telemetry,
    acceptable_options,
    exponential,
    fixed,
    job_options,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WHOLE = r"must be a whole number from 0 to "
DURATION = r"must be (seconds, a timedelta or a text|between 0 and 100 years|a text such as)"

BAD: list[tuple[str, list[Any], str]] = [
    ("job_id", [5, "", None], "must be a non-empty string"),
    ("job_id", ["17", "-5", "0"], "must not be a whole number"),
    ("job_id", ["a:b", "0:a:b", "a:b:c:d"], "must not contain ':'"),
    ("job_id", ["wait", "meta", "metrics:failed:data"], "must not be the name of one of the queue's own keys"),
    ("job_id", ["a b", "a{b", "x" * 201], "without white space"),
    ("delay", [-1, "soon", None, True, float("nan")], DURATION),
    ("priority", [-1, 1.5, "1", True, MAX_PRIORITY + 1, None], rf"{WHOLE}{MAX_PRIORITY}, not "),
    ("lifo", [1, "yes", None], "must be True or False"),
    ("attempts", [-1, 1.0, "3", True, None, 2**53], WHOLE),
    ("backoff", [-1, "fast", None, Backoff("fixed", -1)], DURATION + "|backoff delay must be a whole number"),
    ("timeout", [0, "0s", timedelta(0)], "must be longer than 0"),
    ("timeout", [-1, "never", None], DURATION),
    ("remove_on_complete", [-1, 1.5, "all"], WHOLE),
    ("remove_on_fail", [-1, 1.5, "all"], WHOLE),
    ("keep_logs", [-1, "5", None], WHOLE),
    ("stack_trace_limit", [-1, 0.5, None], WHOLE),
    ("size_limit", [-1, "1k", None], WHOLE),
    ("timestamp", [datetime(2026, 1, 1), 1_700_000_000, "now", None], "must be a datetime with a time zone"),
    ("deduplication", ["", 5, None, "a\nb", "x" * 1025], "must be a printable text of 1 to 1024 characters"),
    ("parent", ["bull:q:1", None, ("1", "bull:q")], "must be a Job or a Parent"),
    ("parent", [Parent("", "bull:q")], "id must be a non-empty string"),
    ("parent", [Parent(cast("Any", 5), "bull:q")], "id must be a non-empty string"),
    (
        "parent",
        [Parent("1", "q"), Parent("1", ""), Parent("1", cast("Any", 5))],
        "queue must be a name with its prefix",
    ),
    ("fail_parent_on_failure", [1, "yes", None], "must be True or False"),
    ("continue_parent_on_failure", [0, "no", None], "must be True or False"),
    ("ignore_dependency_on_failure", [1, "yes", None], "must be True or False"),
    ("remove_dependency_on_failure", [1, "yes", None], "must be True or False"),
    ("expires", [0, "0s", timedelta(0)], "must be longer than 0"),
    ("expires", [-1, "never", None], DURATION),
    ("telemetry", ["00-abc", None, {}], "must be a Telemetry"),
    ("telemetry", [Telemetry(cast("Any", 5))], "metadata must be a string"),
    ("telemetry", [Telemetry(None, cast("Any", 1))], "omit_context must be True or False"),
]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [(field, value, message) for field, values, message in BAD for value in values],
)
def test_a_bad_value_is_refused_by_name(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        job_options({field: value})
    assert field in str(caught.value)


def test_every_option_has_a_bad_value_here() -> None:
    assert {field for field, _, _ in BAD} == set(JobOptions.__struct_fields__)


def test_a_bad_jitter_in_a_backoff_built_by_hand_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="jitter must be between 0 and 1, not 2"):
        JobOptions(backoff=Backoff("fixed", 1, 2))


@pytest.mark.parametrize(
    "given_options",
    [
        {"job_id": "report-2026"},
        {"job_id": "a:b:c"},
        {"job_id": "007"},
        {"delay": "10m", "priority": MAX_PRIORITY, "lifo": True},
        {"attempts": 0, "backoff": 5},
        {"attempts": 3, "backoff": exponential("2s", jitter=1)},
        {"timeout": 0.001},
        {"remove_on_complete": True, "remove_on_fail": False},
        {"remove_on_complete": 0, "remove_on_fail": None},
        {"remove_on_complete": Keep(count=5, age="1h", limit=10)},
        {"keep_logs": 0, "stack_trace_limit": 0, "size_limit": 0},
        {"timestamp": NOON},
        {"deduplication": "user:1"},
        {"deduplication": Deduplication("user:1", ttl="1h", extend=True)},
        {"parent": Parent("1", "bull:q"), "fail_parent_on_failure": False},
        {"expires": "1h", "telemetry": Telemetry("00-abc")},
    ],
)
def test_good_values_are_kept_as_given(given_options: dict[str, Any]) -> None:
    options = job_options(given_options)
    assert {name: getattr(options, name) for name in given_options} == given_options


@pytest.mark.parametrize(
    ("unknown", "near"),
    [("prioritty", "priority"), ("attempt", "attempts"), ("remove_on_completion", "remove_on_complete")],
)
def test_an_unknown_option_is_answered_with_the_nearest(unknown: str, near: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^unknown job option '{unknown}'; did you mean '{near}'\\?$"):
        job_options({unknown: 1})


def test_an_unknown_option_that_is_near_to_none_gets_no_hint() -> None:
    with pytest.raises(ConfigurationError, match=r"^unknown job option 'zzz'$"):
        job_options({"attempts": 1, "zzz": 1})


@pytest.mark.parametrize("not_options", [{5: 1}, {None: 1}])
def test_names_that_are_no_strings_are_refused(not_options: dict[Any, Any]) -> None:
    with pytest.raises(ConfigurationError, match="unknown job option"):
        job_options(not_options)


def test_no_options_is_one_object() -> None:
    assert job_options({}) is NO_OPTIONS


def test_the_arguments_and_the_options_have_the_same_names() -> None:
    assert set(JobOptionArgs.__annotations__) == set(JobOptions.__struct_fields__)


def test_what_is_given_lies_over_the_defaults() -> None:
    defaults = JobOptions(attempts=3, backoff=2, lifo=True, remove_on_complete=True)
    merged = JobOptions(attempts=1, lifo=False, remove_on_complete=None).over(defaults)
    assert merged == JobOptions(attempts=1, backoff=2, lifo=False, remove_on_complete=None)


@pytest.mark.parametrize("other", FAILURE_POLICIES)
@pytest.mark.parametrize("policy", FAILURE_POLICIES)
def test_a_failure_policy_takes_the_place_of_any_other(policy: str, other: str) -> None:
    merged = job_options({policy: True, "attempts": 1}).over(job_options({other: True, "attempts": 2, "lifo": True}))
    assert merged.given() == {policy: True, "attempts": 1, "lifo": True}


def test_a_failure_policy_that_is_not_wanted_leaves_another() -> None:
    defaults = JobOptions(continue_parent_on_failure=True)
    assert JobOptions(attempts=1).over(defaults).continue_parent_on_failure is True
    merged = JobOptions(fail_parent_on_failure=False).over(defaults)
    assert merged.given() == {"fail_parent_on_failure": False, "continue_parent_on_failure": True}


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(FAILURE_POLICIES, 2)))
def test_only_one_failure_policy_can_be_given(first: str, second: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^only one of {first}, {second} can be True$"):
        job_options({first: True, second: True})
    assert job_options({first: True, second: False}).given() == {first: True, second: False}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": ""}, "deduplication id must be a printable text"),
        ({"id": 5}, "deduplication id must be a printable text"),
        ({"ttl": 0}, "deduplication ttl must be longer than 0"),
        ({"ttl": -1}, "deduplication ttl must be between"),
        ({"ttl": "soon"}, "deduplication ttl must be a text such as"),
        ({"extend": 1}, "deduplication extend must be True or False"),
        ({"replace": "yes"}, "deduplication replace must be True or False"),
        ({"keep_last_if_active": None}, "deduplication keep_last_if_active must be True or False"),
        ({"reschedule": 0}, "deduplication reschedule must be True or False"),
    ],
)
def test_a_deduplication_refuses_by_name(fields: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"id": "d"} | fields
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        Deduplication(**given)


def test_a_parent_names_itself() -> None:
    parent = Parent("1", "bull:q")
    assert parent.reference is parent


names = st.sampled_from(["attempts", "priority", "keep_logs", "size_limit"])


@given(st.dictionaries(names, st.integers(0, 9)), st.dictionaries(names, st.integers(0, 9)))
def test_layers_merge_like_dictionaries(top: dict[str, int], bottom: dict[str, int]) -> None:
    merged = job_options(top).over(job_options(bottom))
    assert merged == job_options({**bottom, **top})


def test_backoff_builders_read_durations_and_check() -> None:
    assert fixed("2s") == Backoff("fixed", 2_000, 0.0)
    assert exponential(timedelta(seconds=1), jitter=0.5) == Backoff("exponential", 1_000, 0.5)


@pytest.mark.parametrize("jitter", [-0.1, 1.1, "half", True, float("nan"), None])
def test_backoff_builders_refuse_a_bad_jitter(jitter: Any) -> None:
    for build in (fixed, exponential):
        with pytest.raises(ConfigurationError, match="jitter must be between 0 and 1"):
            build(1, jitter=jitter)


def test_backoff_builders_refuse_a_bad_delay() -> None:
    for build in (fixed, exponential):
        with pytest.raises(ConfigurationError, match="backoff delay must be"):
            build(-1)


@pytest.mark.parametrize(
    ("field", "value"), [("count", -1), ("count", 1.5), ("limit", -1), ("limit", True), ("age", -1), ("age", "old")]
)
def test_keep_refuses_by_name(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Keep\.{field} must be"):
        Keep(**{field: value})


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"max": 0, "duration": 1}, r"RateLimit\.max must be a whole number from 1"),
        ({"max": True, "duration": 1}, r"RateLimit\.max must be"),
        ({"max": 1, "duration": 0}, r"RateLimit\.duration must be longer than 0"),
        ({"max": 1, "duration": "x"}, r"RateLimit\.duration must be a text"),
    ],
)
def test_rate_limit_refuses_by_name(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RateLimit(**kwargs)


def test_of_several_failure_policies_that_are_stored_the_first_counts() -> None:
    stored = dict.fromkeys(reversed(FAILURE_POLICIES), True)
    assert acceptable_options(**stored) == JobOptions(fail_parent_on_failure=True)
    stored["fail_parent_on_failure"] = False
    assert acceptable_options(**stored).continue_parent_on_failure is True


def test_what_another_library_stored_is_taken_where_it_is_acceptable() -> None:
    options = acceptable_options(attempts=3, priority=-7, delay=UNSET, timeout=0, job_id="17", lifo=True)
    assert options == JobOptions(attempts=3, lifo=True)
