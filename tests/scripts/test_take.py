"""The script that moves ready jobs to active and locks them."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.ops.lifecycle import TakeTerms
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench, plain_hash

HELD = 2**53 - 1


def test_a_job_is_moved_locked_and_marked_as_started(bench: Bench) -> None:
    bench.add("a")
    before = bench.hash("a")
    bench.forget_events()
    taken = bench.take(1, "tok", NOW + 5, TakeTerms(lock_ms=10_000, worker_name="w1"))
    assert [record.id for record in taken.jobs] == ["a"]
    assert (taken.limited_ms, taken.next_due_ms) == (0, None)
    assert bench.dump("events", "id", "meta") == {
        "bull:q:a": {**before, "processedOn": str(NOW + 5), "ats": "1", "pb": "w1"},
        "bull:q:a:lock": "tok",
        "bull:q:active": ["a"],
        "bull:q:marker": [("0", 0)],
    }
    assert 9_000 < bench.client.pttl("bull:q:a:lock") <= 10_000
    assert bench.events() == ["active jobId=a prev=waiting"]


def test_a_worker_without_name_is_not_noted(bench: Bench) -> None:
    bench.add("a")
    bench.take()
    assert "pb" not in bench.hash("a")


def test_the_record_carries_what_the_hash_holds(bench: Bench) -> None:
    bench.add("a", data=b"[1]", opts=b'{"attempts":3}')
    stored = {
        "atm": 1, "ats": 2, "stc": 3, "defa": "why", "progress": "50", "stacktrace": '["t"]', "parentKey": "bull:p:1",
        "rjk": "s", "deid": "d", "delay": "1.5",
    }  # fmt: skip
    bench.client.hset("bull:q:a", mapping=stored)
    (record,) = bench.take().jobs
    assert (record.name, record.data, record.opts, record.timestamp) == ("job", b"[1]", b'{"attempts":3}', NOW)
    assert (record.attempts_made, record.attempts_started, record.stalled_count) == (1, 3, 3)
    assert (record.deferred_failure, record.progress, record.stacktrace) == ("why", b"50", b'["t"]')
    assert (record.parent_key, record.scheduler_id, record.deduplication_id) == ("bull:p:1", "s", "d")
    assert (record.delay, record.processed_on) == (1, NOW)


def test_attempts_that_an_old_library_counted_win(bench: Bench) -> None:
    bench.add("a")
    bench.client.hset("bull:q:a", mapping={"attemptsMade": 4, "atm": 1})
    assert bench.take().jobs[0].attempts_made == 4


def test_an_empty_queue_gives_nothing_and_writes_nothing(bench: Bench) -> None:
    before = bench.dump()
    taken = bench.take(5)
    assert (taken.jobs, taken.limited_ms, taken.next_due_ms) == ([], 0, None)
    assert bench.dump() == before


def test_the_token_0_locks_nothing(bench: Bench) -> None:
    bench.add("a")
    assert bench.taken_ids(token="0") == ["a"]
    assert not bench.client.exists("bull:q:a:lock")


def test_a_batch_comes_in_order_under_one_token(bench: Bench) -> None:
    bench.add("a", "b", "c", "d")
    assert bench.taken_ids(3, "tok") == ["a", "b", "c"]
    assert bench.in_line("active") == ["a", "b", "c"]
    assert [bench.client.get(f"bull:q:{job_id}:lock") for job_id in "abc"] == ["tok"] * 3
    assert bench.in_line("wait") == ["d"]


def test_jobs_without_priority_come_before_all_others(bench: Bench) -> None:
    bench.add("low", priority=9)
    bench.add("high", "high2", priority=1)
    bench.add("none")
    assert bench.taken_ids(2) == ["none", "high"]
    assert bench.taken_ids(5) == ["high2", "low"]


def test_the_arrival_counter_is_forgotten_once_nothing_is_prioritized(bench: Bench) -> None:
    bench.add("a", "b", priority=1)
    assert bench.taken_ids(1) == ["a"]
    assert bench.client.get("bull:q:pc") == "2"
    assert bench.taken_ids(1) == ["b"]
    assert bench.taken_ids(1) == []
    assert not bench.client.exists("bull:q:pc")


@pytest.mark.parametrize("count", [1, 2, 10])
def test_due_jobs_are_promoted_first_and_in_order(bench: Bench, count: int) -> None:
    bench.add("late", delay=11)
    bench.add("b", "c", delay=10)
    bench.add("a", delay=9)
    bench.add("p", delay=1, priority=7)
    bench.forget_events()
    taken = bench.take(count, now=NOW + 10)
    assert [record.id for record in taken.jobs] == ["a", "b", "c", "p"][:count]
    assert bench.events()[:4] == [f"waiting jobId={job_id} prev=delayed" for job_id in "pabc"]
    assert bench.scores("delayed") == {"late": (NOW + 11) * STEP}
    assert bench.hash("a")["delay"] == "0"
    assert taken.next_due_ms == (NOW + 11 if count == 10 else None)


def test_a_job_is_not_due_a_millisecond_early(bench: Bench) -> None:
    bench.add("a", delay=10)
    taken = bench.take(now=NOW + 9)
    assert (taken.jobs, taken.next_due_ms) == ([], NOW + 10)


def test_a_millisecond_with_many_jobs_is_due_as_a_whole(bench: Bench) -> None:
    bench.add(*(f"j{n:03}" for n in range(200)), delay=10)
    assert len(bench.taken_ids(200, now=NOW + 10)) == 200


def test_at_most_a_thousand_jobs_are_promoted_at_once(bench: Bench) -> None:
    for start in range(0, 1_250, 250):
        bench.add(*(f"j{n:04}" for n in range(start, start + 250)), delay=10)
    assert bench.taken_ids(1, now=NOW + 10) == ["j0000"]
    assert bench.client.zcard("bull:q:delayed") == 250


def test_a_due_id_without_a_job_is_dropped(bench: Bench) -> None:
    bench.client.zadd("bull:q:delayed", {"ghost": NOW * STEP})
    assert bench.taken_ids(2) == []
    assert bench.dump("marker") == {}


def test_a_paused_queue_gives_nothing_but_promotes(bench: Bench) -> None:
    bench.add("a")
    bench.add("b", delay=5)
    bench.client.hset("bull:q:meta", "paused", 1)
    assert bench.taken_ids(2, now=NOW + 5) == []
    assert bench.in_line("wait") == ["a", "b"]
    assert not bench.client.exists("bull:q:active")


@pytest.mark.parametrize(("running", "allowed"), [(0, 3), (1, 2), (3, 0), (4, 0)])
def test_global_concurrency_makes_the_batch_smaller(bench: Bench, running: int, allowed: int) -> None:
    if running:
        bench.start(*(f"r{n}" for n in range(running)))
    bench.client.hset("bull:q:meta", "concurrency", 3)
    bench.add("a", "b", "c", "d", "e")
    assert bench.taken_ids(4) == ["a", "b", "c"][:allowed]


LIMIT = TakeTerms(limit_max=3, limit_ms=60_000)


def test_a_workers_rate_limit_makes_the_batch_smaller_then_holds(bench: Bench) -> None:
    bench.add("a", "b", "c", "d", "e")
    assert bench.taken_ids(2, terms=LIMIT) == ["a", "b"]
    assert bench.client.get("bull:q:limiter") == "2"
    assert 59_000 < bench.client.pttl("bull:q:limiter") <= 60_000
    assert bench.taken_ids(2, terms=LIMIT) == ["c"]
    taken = bench.take(2, terms=LIMIT)
    assert taken.jobs == []
    assert 58_000 < taken.limited_ms <= 60_000
    assert bench.client.get("bull:q:limiter") == "3"


def test_the_window_begins_with_its_first_start(bench: Bench) -> None:
    bench.add("a", "b")
    bench.taken_ids(1, terms=LIMIT)
    bench.client.pexpire("bull:q:limiter", 5_000)
    bench.taken_ids(1, terms=LIMIT)
    assert bench.client.pttl("bull:q:limiter") <= 5_000


def test_a_queues_own_limit_wins_over_the_workers(bench: Bench) -> None:
    bench.add("a", "b", "c")
    bench.client.hset("bull:q:meta", mapping={"max": 1, "duration": 9_000})
    assert bench.taken_ids(3) == ["a"]
    assert bench.client.pttl("bull:q:limiter") <= 9_000
    assert bench.take(3, terms=LIMIT).limited_ms > 0


def test_of_two_windows_the_workers_is_taken(bench: Bench) -> None:
    bench.add("a")
    bench.client.hset("bull:q:meta", mapping={"max": 1, "duration": 9_000})
    bench.take(1, terms=LIMIT)
    assert bench.client.pttl("bull:q:limiter") > 50_000


@pytest.mark.parametrize("terms", [TakeTerms(), LIMIT])
def test_a_limiter_set_by_hand_holds_everybody(bench: Bench, terms: TakeTerms) -> None:
    bench.add("a")
    bench.client.set("bull:q:limiter", HELD, px=5_000)
    taken = bench.take(terms=terms)
    assert taken.jobs == []
    assert 4_000 < taken.limited_ms <= 5_000


def test_a_count_without_expiry_limits_nobody(bench: Bench) -> None:
    bench.add("a")
    bench.client.set("bull:q:limiter", 50)
    assert bench.taken_ids(terms=LIMIT) == ["a"]


def test_due_jobs_are_promoted_while_the_queue_is_limited(bench: Bench) -> None:
    bench.add("a", delay=5)
    bench.client.set("bull:q:limiter", HELD, px=5_000)
    bench.take(now=NOW + 5)
    assert bench.in_line("wait") == ["a"]


def test_jobs_that_will_be_failed_unrun_do_not_count_against_the_limit(bench: Bench) -> None:
    bench.add("a", "b")
    bench.client.hset("bull:q:a", "defa", "child failed")
    assert bench.taken_ids(2, terms=LIMIT) == ["a", "b"]
    assert bench.client.get("bull:q:limiter") == "1"


@pytest.mark.parametrize("ghosts", [["0:0"], ["0:1700000000000", "0:0"], ["gone"], ["0:0", "gone", "0:5"]])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_ids_without_a_job_are_dropped_and_cost_no_place(bench: Bench, ghosts: list[str], count: int) -> None:
    bench.add("a", "b")
    bench.client.rpush("bull:q:wait", *ghosts)
    assert bench.taken_ids(count, terms=LIMIT) == ["a", "b"][:count]
    assert bench.in_line("active") == ["a", "b"][:count]
    assert bench.client.get("bull:q:limiter") == str(min(count, 2))
    assert not any(bench.client.exists(f"bull:q:{ghost}", f"bull:q:{ghost}:lock") for ghost in ghosts)


def test_a_prioritized_id_without_a_job_is_dropped(bench: Bench) -> None:
    bench.add("a", priority=2)
    bench.client.zadd("bull:q:prioritized", {"gone": PRIORITY + 1})
    assert bench.taken_ids(1) == ["a"]
    assert bench.scores("prioritized") == {}


def test_after_a_take_the_next_idle_worker_is_woken(bench: Bench) -> None:
    bench.add("a", "b")
    bench.clear_marker()
    bench.take()
    assert bench.marker() == {"0": 0}


def test_a_take_that_found_nothing_wakes_nobody(bench: Bench) -> None:
    bench.add("a", delay=50)
    bench.clear_marker()
    bench.take()
    assert bench.marker() == {}


def test_a_fractional_due_time_is_told_in_whole_milliseconds(bench: Bench) -> None:
    bench.add("a", "b", delay=10)
    bench.client.zrem("bull:q:delayed", "a")
    assert bench.take().next_due_ms == NOW + 10


def test_a_job_that_ran_before_is_started_again(bench: Bench) -> None:
    stored: dict[str, Any] = plain_hash(ats=4, processedOn=5, pb="old")
    bench.client.hset("bull:q:a", mapping=stored)
    bench.client.lpush("bull:q:wait", "a")
    bench.take(now=NOW + 1, terms=TakeTerms(worker_name="new"))
    assert {name: bench.hash("a")[name] for name in ("ats", "processedOn", "pb")} == {
        "ats": "5", "processedOn": str(NOW + 1), "pb": "new",
    }  # fmt: skip


def test_a_delayed_score_of_the_last_place_is_read_as_its_millisecond(bench: Bench) -> None:
    bench.client.zadd("bull:q:delayed", {"a": NOW * STEP + STEP - 1})
    assert bench.take(now=NOW - 1).next_due_ms == NOW
