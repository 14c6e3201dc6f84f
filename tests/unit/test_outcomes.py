"""What becomes of a job whose run has ended: the decision, without the server that carries it out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from oxmq import Keep, Unrecoverable
from oxmq.ops import outcomes
from oxmq.ops.lifecycle import Outcome
from oxmq.ops.outcomes import FinishRules
from oxmq.records import JobRecord

PLAIN = FinishRules()


def record(attempts_made: int = 0, stacktrace: bytes | None = None, started: int = 1, **opts: Any) -> JobRecord:
    text = json.dumps(opts).encode()
    return JobRecord(
        "7", "job", opts=text, attempts_made=attempts_made, attempts_started=started, stacktrace=stacktrace
    )


ERROR = ValueError("no")


@pytest.mark.parametrize(
    ("made", "opts", "error", "kind", "delay_ms"),
    [
        (0, {}, ERROR, "failed", 0),
        (0, {"attempts": 0}, ERROR, "failed", 0),
        (0, {"attempts": 1}, ERROR, "failed", 0),
        (0, {"attempts": 2}, ERROR, "retry", 0),
        (1, {"attempts": 2}, ERROR, "failed", 0),
        (5, {"attempts": 2}, ERROR, "failed", 0),
        (0, {"attempts": 3}, Unrecoverable("never"), "failed", 0),
        (0, {"attempts": 3, "backoff": 0}, ERROR, "retry", 0),
        (0, {"attempts": 3, "backoff": 250}, ERROR, "delay", 250),
        (1, {"attempts": 3, "backoff": {"type": "fixed", "delay": 250}}, ERROR, "delay", 250),
        (0, {"attempts": 3, "backoff": {"type": "exponential", "delay": 100}}, ERROR, "delay", 100),
        (2, {"attempts": 9, "backoff": {"type": "exponential", "delay": 100}}, ERROR, "delay", 400),
        (0, {"attempts": 3, "backoff": {"type": "mine"}}, ERROR, "failed", 0),
        (2.0, {"attempts": 3.0}, ERROR, "failed", 0),
    ],
)
def test_retry_decision(made: Any, opts: dict[str, Any], error: Exception, kind: str, delay_ms: int) -> None:
    outcome = outcomes.failed(record(made, **opts), "token", error, PLAIN)
    assert (outcome.job_id, outcome.token, outcome.kind, outcome.delay_ms) == ("7", "token", kind, delay_ms)
    assert outcome.value == str(error)
    assert outcome.attempts == opts.get("attempts", 0)


@pytest.mark.parametrize(("seconds", "kind", "delay_ms"), [(-1, "failed", 0), (0, "retry", 0), (1.5, "delay", 1500)])
def test_a_strategy_of_the_workers_decides_what_we_do_not_know(seconds: float, kind: str, delay_ms: int) -> None:
    asked: list[tuple[int, str, BaseException]] = []

    def strategy(attempt: int, name: str, error: BaseException) -> float:
        asked.append((attempt, name, error))
        return seconds

    waiting = record(1, attempts=5, backoff={"type": "mine", "delay": 7})
    outcome = outcomes.failed(waiting, "token", ERROR, FinishRules(strategy=strategy))
    assert (outcome.kind, outcome.delay_ms) == (kind, delay_ms)
    assert asked == [(2, "mine", ERROR)]


def test_a_lifo_job_is_tried_again_before_the_others() -> None:
    assert outcomes.failed(record(attempts=2, lifo=True), "t", ERROR, PLAIN).next_up
    assert not outcomes.failed(record(attempts=2), "t", ERROR, PLAIN).next_up


def raised() -> ValueError:
    secret = "swordfish"
    try:
        raise ValueError("no") if secret else ERROR
    except ValueError as error:
        return error


def traces(outcome: Outcome) -> list[str]:
    return msgspec.json.decode(outcome.stacktrace, type=list[str])


def test_the_stack_trace_is_kept_without_values() -> None:
    (trace,) = traces(outcomes.failed(record(), "t", raised(), PLAIN))
    assert trace.startswith("Traceback")
    assert trace.endswith("ValueError: no")
    assert "swordfish" not in trace.replace('secret = "swordfish"', "")


def test_a_long_stack_trace_keeps_its_end() -> None:
    (trace,) = traces(outcomes.failed(record(), "t", ValueError("x" * 50_000 + "end"), PLAIN))
    assert len(trace) <= 16_384
    assert trace.endswith("end")


@pytest.mark.parametrize(
    ("stored", "limit", "expected"),
    [
        (None, None, ["new"]),
        (b'["old"]', None, ["old", "new"]),
        (b'["a","b","c"]', 2, ["c", "new"]),
        (b'["a"]', 0, []),
        (b"not json", None, ["new"]),
        (b'{"a":1}', None, ["new"]),
    ],
)
def test_stack_traces_add_up_to_their_limit(stored: bytes | None, limit: int | None, expected: list[str]) -> None:
    opts = {} if limit is None else {"stackTraceLimit": limit}
    assert traces(outcomes.failed(record(stacktrace=stored, **opts), "t", ERROR, PLAIN, stack="new")) == expected


def test_an_empty_stack_adds_nothing() -> None:
    assert traces(outcomes.failed(record(), "t", ERROR, PLAIN, stack="")) == []


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words for it")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no"), "no"),
        (ValueError(), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ValueError(5), "5"),
        (ExceptionGroup("both", [ValueError(1), KeyError(2)]), "both (2 sub-exceptions)"),
    ],
)
def test_the_reason_is_the_message_or_else_the_type(error: BaseException, reason: str) -> None:
    assert outcomes.failure_reason(error) == reason


@pytest.mark.parametrize("error", [ValueError("\ud800"), Unprintable(), ValueError("x" * 3_000_000)])
def test_whatever_the_error_says_the_failure_can_be_sent(error: Exception) -> None:
    outcome = outcomes.failed(record(), "t", error, PLAIN)
    sent = outcome.value if isinstance(outcome.value, bytes) else outcome.value.encode()
    assert 0 < len(sent) <= 1024 * 1024
    assert traces(outcome)


KEPT: list[tuple[Any, Keep | None, tuple[int, float | None, int | None]]] = [
    (None, None, (-1, None, None)),
    (None, Keep(count=5, age=60, limit=9), (5, 60.0, 9)),
    (True, Keep(count=5), (0, None, None)),
    (False, Keep(count=5), (-1, None, None)),
    (3, Keep(count=5), (3, None, None)),
    (0, None, (0, None, None)),
    (2.0, None, (2, None, None)),
    ({"age": 1.5}, None, (-1, 1.5, None)),
    ({"count": 2, "age": 60, "limit": 7}, None, (2, 60.0, 7)),
    ({"count": -1}, Keep(count=5), (-1, None, None)),
    ({}, Keep(count=5), (-1, None, None)),
]


@pytest.mark.parametrize(("option", "default", "expected"), KEPT)
def test_what_is_kept(option: Any, default: Keep | None, expected: tuple[int, float | None, int | None]) -> None:
    rules = FinishRules(keep_completed=default, keep_failed=default)
    for name in ("removeOnComplete", "removeOnFail"):
        job = record(**({} if option is None else {name: option}))
        done = name == "removeOnComplete"
        outcome = outcomes.completed(job, "t", b"1", rules) if done else outcomes.failed(job, "t", ERROR, rules)
        assert (outcome.keep_count, outcome.keep_age, outcome.keep_limit) == expected


def test_a_completion_carries_its_value() -> None:
    outcome = outcomes.completed(record(), "t", b'{"a":1}', PLAIN)
    assert (outcome.kind, outcome.value, outcome.stacktrace) == ("completed", b'{"a":1}', b"")


def test_giving_up_putting_off_and_giving_way_cost_nothing() -> None:
    assert (outcomes.released(record(), "t").kind, outcomes.postponed(record(), "t", 5).kind) == ("release", "postpone")
    assert outcomes.postponed(record(), "t", 5).delay_ms == 5
    parked = outcomes.parked(record(), "t")
    assert (parked.job_id, parked.token, parked.kind, parked.stacktrace) == ("7", "t", "park", b"")


@pytest.mark.parametrize(("started", "kind"), [(1, "retry"), (2, "retry"), (3, "failed"), (9, "failed")])
def test_a_job_that_was_started_too_often_fails(started: int, kind: str) -> None:
    rules = FinishRules(max_started=3)
    assert outcomes.failed(record(attempts=20, started=started), "t", ERROR, rules).kind == kind
    assert outcomes.failed(record(attempts=20, started=started), "t", ERROR, PLAIN).kind == "retry"


@pytest.mark.parametrize(("option", "kept"), [(option, kept[0]) for option, _, kept in KEPT if option is not None])
def test_a_job_that_nobody_runs_says_itself_how_many_are_kept(option: Any, kept: int) -> None:
    assert outcomes.kept_when_failed(record(removeOnFail=option)) == kept
    assert outcomes.kept_when_failed(record(removeOnComplete=option)) == -1
