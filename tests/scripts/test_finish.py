"""The script that ends runs: what each outcome does to one job, and what each refusal leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oxmq.ops.lifecycle import Outcome
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench

LATER = NOW + 100


def test_a_completed_job_is_stored_and_let_go(bench: Bench) -> None:
    bench.start("a")
    hash_before = bench.hash("a")
    assert bench.codes(bench.complete("a", value=b'{"x":1}'), now=LATER) == [0]
    assert bench.dump("events", "id", "meta", "marker") == {
        "bull:q:a": {**hash_before, "atm": "1", "returnvalue": '{"x":1}', "finishedOn": str(LATER)},
        "bull:q:completed": [("a", LATER)],
    }
    assert bench.events() == ['completed jobId=a returnvalue={"x":1} prev=active', "drained"]


def test_a_failed_job_is_stored_with_its_reason(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", "defa", "child failed")
    hash_before = bench.hash("a")
    assert bench.codes(bench.fail("a", attempts=1), now=LATER) == [0]
    expected = {**hash_before, "atm": "1", "failedReason": "no", "stacktrace": '["trace"]', "finishedOn": str(LATER)}
    del expected["defa"]
    assert bench.dump("events", "id", "meta", "marker") == {
        "bull:q:a": expected,
        "bull:q:failed": [("a", LATER)],
    }
    assert bench.events() == [
        "failed jobId=a failedReason=no prev=active",
        "retries-exhausted jobId=a attemptsMade=1",
        "drained",
    ]


def test_a_failure_with_attempts_left_has_not_exhausted_them(bench: Bench) -> None:
    bench.start("a")
    bench.finish(bench.fail("a", attempts=3))
    assert bench.events() == ["failed jobId=a failedReason=no prev=active", "drained"]


def test_a_job_that_is_retried_now_waits_behind_the_others(bench: Bench) -> None:
    bench.start("a")
    bench.add("b")
    bench.clear_marker()
    bench.forget_events()
    bench.finish(Outcome("a", "t", "retry", "no", b'["trace"]'), now=LATER)
    assert bench.in_line("wait") == ["b", "a"]
    assert bench.hash("a").items() >= {"atm": "1", "failedReason": "no", "stacktrace": '["trace"]'}.items()
    assert bench.marker() == {"0": 0}
    assert bench.events() == ["waiting jobId=a prev=active"]
    assert not bench.client.exists("bull:q:active", "bull:q:a:lock")


def test_a_lifo_job_is_retried_before_the_others(bench: Bench) -> None:
    bench.start("a")
    bench.add("b")
    bench.finish(Outcome("a", "t", "retry", "no", b"[]", next_up=True))
    assert bench.in_line("wait") == ["a", "b"]


def test_a_prioritized_job_is_retried_in_its_priority(bench: Bench) -> None:
    bench.start("a", priority=2)
    bench.add("b", priority=2)
    bench.finish(Outcome("a", "t", "retry", "no", b"[]"))
    assert list(bench.scores("prioritized")) == ["b", "a"]


def test_retrying_promotes_what_is_due(bench: Bench) -> None:
    bench.start("a")
    bench.add("b", delay=5)
    bench.finish(Outcome("a", "t", "retry", "no", b"[]"), now=NOW + 5)
    assert bench.in_line("wait") == ["b", "a"]


def test_a_job_that_is_retried_later_is_held_back(bench: Bench) -> None:
    bench.start("a")
    bench.clear_marker()
    bench.finish(Outcome("a", "t", "delay", "no", b'["trace"]', delay_ms=500), now=LATER)
    assert bench.scores("delayed") == {"a": (LATER + 500) * STEP}
    assert bench.hash("a").items() >= {"atm": "1", "delay": "500", "failedReason": "no"}.items()
    assert bench.marker() == {"1": LATER + 500}
    assert bench.events() == [f"delayed jobId=a delay={LATER + 500}"]


def test_a_postponed_job_is_held_back_at_no_cost(bench: Bench) -> None:
    bench.start("a")
    bench.finish(Outcome("a", "t", "postpone", delay_ms=500), now=LATER)
    assert bench.scores("delayed") == {"a": (LATER + 500) * STEP}
    assert bench.hash("a")["delay"] == "500"
    assert not bench.hash("a").keys() & {"atm", "failedReason", "stacktrace"}


def test_a_released_job_runs_next_at_no_cost(bench: Bench) -> None:
    bench.start("a")
    bench.add("b")
    bench.clear_marker()
    before = bench.hash("a")
    bench.forget_events()
    bench.finish(Outcome("a", "t", "release", next_up=True))
    assert bench.in_line("wait") == ["a", "b"]
    assert bench.hash("a") == before
    assert bench.marker() == {"0": 0}
    assert bench.events() == ["waiting jobId=a prev=active"]


def test_a_released_prioritized_job_comes_before_all_of_its_priority(bench: Bench) -> None:
    bench.start("a", priority=2)
    bench.add("b", priority=2)
    bench.clear_marker()
    bench.finish(Outcome("a", "t", "release", next_up=True))
    assert bench.scores("prioritized") == {"a": 2 * PRIORITY, "b": 2 * PRIORITY + 2}
    assert bench.marker() == {}


@pytest.mark.parametrize("kind", ["completed", "failed", "retry", "delay", "postpone", "release"])
def test_every_outcome_lets_go_of_the_lock_and_the_suspicion(bench: Bench, kind: str) -> None:
    bench.start("a")
    bench.client.sadd("bull:q:stalled", "a")
    assert bench.codes(Outcome("a", "t", kind, "1", b"[]", delay_ms=5)) == [0]
    assert not bench.client.exists("bull:q:a:lock", "bull:q:stalled", "bull:q:active")


@pytest.mark.parametrize("kind", ["completed", "failed", "retry", "delay", "postpone", "release"])
def test_a_paused_queue_is_not_woken(bench: Bench, kind: str) -> None:
    bench.start("a")
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.clear_marker()
    bench.finish(Outcome("a", "t", kind, "1", b"[]", delay_ms=5))
    assert "0" not in bench.marker()


def lose_hash(bench: Bench) -> None:
    bench.client.delete("bull:q:a")


def lose_lock(bench: Bench) -> None:
    bench.client.delete("bull:q:a:lock")


def lose_lock_to_another(bench: Bench) -> None:
    bench.client.set("bull:q:a:lock", "other", px=30_000)


def gain_child(bench: Bench) -> None:
    bench.client.sadd("bull:q:a:dependencies", "bull:q:c")


def gain_failed_child(bench: Bench) -> None:
    bench.client.zadd("bull:q:a:unsuccessful", {"bull:q:c": NOW})


REFUSALS: list[tuple[int, Callable[[Bench], None], tuple[str, ...]]] = [
    (-1, lose_hash, ("completed", "failed", "retry", "delay", "postpone", "release")),
    (-2, lose_lock, ("completed", "failed", "retry", "delay", "postpone", "release")),
    (-6, lose_lock_to_another, ("completed", "failed", "retry", "delay", "postpone", "release")),
    (-4, gain_child, ("completed",)),
    (-9, gain_failed_child, ("completed",)),
]


@pytest.mark.parametrize(
    ("code", "accident", "kind"), [(code, accident, kind) for code, accident, kinds in REFUSALS for kind in kinds]
)
def test_a_refused_run_changes_nothing(bench: Bench, code: int, accident: Callable[[Bench], None], kind: str) -> None:
    bench.start("a")
    accident(bench)
    before = bench.dump()
    assert bench.codes(Outcome("a", "t", kind, "1", b"[]", delay_ms=5)) == [code]
    assert bench.dump() == before


@pytest.mark.parametrize("kind", ["completed", "failed", "retry", "delay", "postpone", "release"])
def test_a_job_that_is_not_active_is_refused_and_only_its_lock_let_go(bench: Bench, kind: str) -> None:
    bench.start("a")
    bench.client.delete("bull:q:active")
    bench.client.lpush("bull:q:wait", "a")
    before = bench.dump()
    assert bench.codes(Outcome("a", "t", kind, "1", b"[]", delay_ms=5)) == [-3]
    assert before.pop("bull:q:a:lock") == "t"
    assert bench.dump() == before


@pytest.mark.parametrize("accident", [gain_child, gain_failed_child])
def test_children_do_not_keep_a_job_from_failing(bench: Bench, accident: Callable[[Bench], None]) -> None:
    bench.start("a")
    accident(bench)
    assert bench.codes(bench.fail("a")) == [0]


def test_the_token_0_needs_no_lock(bench: Bench) -> None:
    bench.start("a", token="0")
    assert bench.codes(bench.complete("a", token="0")) == [0]
    bench.start("b")
    assert bench.codes(bench.complete("b", token="0")) == [0]
    assert bench.client.get("bull:q:b:lock") == "t"


def test_repeating_an_outcome_is_refused_and_changes_nothing(bench: Bench) -> None:
    bench.start("a", "b")
    outcomes = [bench.complete("a"), bench.fail("b", keep_count=0)]
    assert bench.codes(*outcomes) == [0, 0]
    before = bench.dump()
    assert bench.codes(*outcomes) == [-2, -1]
    assert bench.dump() == before


def test_a_deduplication_id_is_free_once_its_owner_ends(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    bench.finish(bench.complete("a"))
    assert not bench.client.exists("bull:q:de:d")


@pytest.mark.parametrize(("owner", "ttl"), [("other", None), ("a", 60_000)])
def test_a_deduplication_id_of_another_or_with_a_time_of_its_own_stays(
    bench: Bench, owner: str, ttl: int | None
) -> None:
    bench.start("a")
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", owner, px=ttl)
    bench.finish(bench.complete("a"))
    assert bench.client.get("bull:q:de:d") == owner


@pytest.mark.parametrize("held", ["wait", "prioritized", "active"])
def test_a_queue_with_work_left_is_not_drained(bench: Bench, held: str) -> None:
    bench.start("a")
    if held == "active":
        bench.start("b")
    else:
        bench.add("b", priority=1 if held == "prioritized" else 0)
    bench.finish(bench.complete("a"))
    assert "drained" not in bench.events()


def test_events_survive_the_trimming_of_their_own_call(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 1)
    for number in range(300):
        bench.client.xadd("bull:q:events", {"event": "old", "n": number})
    bench.finish(bench.complete("a"))
    assert bench.events()[-2:] == ["completed jobId=a returnvalue=1 prev=active", "drained"]
    assert bench.client.xlen("bull:q:events") < 150


@pytest.mark.parametrize("kind", ["failed", "retry", "delay"])
def test_a_failure_leaves_the_context_of_its_trace(bench: Bench, kind: str) -> None:
    bench.start("a", "b")
    bench.finish(
        Outcome("a", "t", kind, "no", b"[]", delay_ms=5, telemetry='{"traceparent":"x"}'),
        Outcome("b", "t", kind, "no", b"[]", delay_ms=5),
    )
    assert bench.hash("a")["tm"] == '{"traceparent":"x"}'
    assert "tm" not in bench.hash("b")


@pytest.mark.parametrize("kind", ["completed", "release"])
def test_what_has_not_failed_leaves_none(bench: Bench, kind: str) -> None:
    bench.start("a")
    bench.finish(Outcome("a", "t", kind, "1"))
    assert "tm" not in bench.hash("a")


def test_a_job_is_taken_with_the_context_that_its_last_attempt_left(bench: Bench) -> None:
    bench.start("a")
    bench.finish(Outcome("a", "t", "retry", "no", b"[]", telemetry="{}"))
    assert [record.telemetry for record in bench.take(1, "u").jobs] == ["{}"]
