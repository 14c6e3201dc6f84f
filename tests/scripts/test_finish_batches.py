"""The script that ends runs, given many at once and asked for the next jobs."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError, LockLostError
from oxmq.ops.lifecycle import Outcome, TakeTerms
from tests.scripts.bench import NOW, STEP, Bench

IDS = [f"j{number:03}" for number in range(150)]


def test_one_run_that_is_refused_is_refused_alone(bench: Bench) -> None:
    bench.start("a", "b", "c", "d", "e", "f")
    bench.client.delete("bull:q:b:lock")
    bench.client.delete("bull:q:d", "bull:q:d:lock")
    finished = bench.finish(
        bench.complete("a"),
        bench.complete("b"),
        bench.fail("c"),
        bench.complete("d"),
        Outcome("e", "t", "retry", "no", b"[]"),
        Outcome("f", "t", "delay", "no", b"[]", delay_ms=9),
    )
    refusals = finished.refusals
    assert [type(refusal) for refusal in refusals] == [
        type(None), LockLostError, type(None), JobNotFoundError, type(None), type(None),
    ]  # fmt: skip
    assert str(refusals[1]) == "Missing lock for job b. finish (queue 'q')"
    assert list(bench.scores("completed")) == ["a"]
    assert list(bench.scores("failed")) == ["c"]
    assert bench.in_line("wait") == ["e"]
    assert bench.scores("delayed") == {"f": (NOW + 9) * STEP}
    assert bench.in_line("active") == ["b", "d"]


def test_a_batch_writes_its_events_in_its_order(bench: Bench) -> None:
    bench.start("a", "b", "c")
    bench.finish(bench.fail("b", attempts=2), bench.complete("a"), Outcome("c", "t", "retry", "no", b"[]"))
    assert bench.events() == [
        "failed jobId=b failedReason=no prev=active",
        "completed jobId=a returnvalue=1 prev=active",
        "waiting jobId=c prev=active",
    ]


def test_runs_of_several_takes_end_together_each_under_its_token(bench: Bench) -> None:
    bench.start("a", token="one")
    bench.start("b", token="two")
    assert bench.codes(bench.complete("a", "two"), bench.complete("b", "two")) == [-6, 0]
    assert bench.client.get("bull:q:a:lock") == "one"


def test_a_run_given_twice_ends_once(bench: Bench) -> None:
    bench.start("a")
    assert bench.codes(bench.complete("a"), bench.complete("a"))[0] == 0
    assert bench.hash("a")["atm"] == "1"
    assert len([event for event in bench.events() if event.startswith("completed")]) == 1


def test_a_large_batch_ends_at_once(bench: Bench) -> None:
    bench.start(*IDS)
    assert bench.codes(*(bench.complete(job_id) for job_id in IDS)) == [0] * 150
    assert bench.client.zcard("bull:q:completed") == 150
    assert len(bench.dump()) == 150 + 5  # completed, events, id, marker, meta


def test_a_large_batch_that_is_not_kept_leaves_nothing(bench: Bench) -> None:
    bench.start(*IDS)
    bench.finish(*(bench.complete(job_id, keep_count=0) for job_id in IDS))
    assert bench.dump("events", "id", "marker", "meta") == {}


def test_the_next_jobs_come_with_the_same_call(bench: Bench) -> None:
    bench.start("a", "b")
    bench.add("c", "d", "e")
    bench.forget_events()
    finished = bench.finish(bench.complete("a"), bench.complete("b"), count=2, token="next")
    assert [record.id for record in finished.taken.jobs] == ["c", "d"]
    assert bench.client.get("bull:q:c:lock") == "next"
    assert bench.events() == [
        "completed jobId=a returnvalue=1 prev=active",
        "completed jobId=b returnvalue=1 prev=active",
        "active jobId=c prev=waiting",
        "active jobId=d prev=waiting",
    ]


def test_next_jobs_come_when_one_run_of_many_was_accepted(bench: Bench) -> None:
    bench.start("a")
    bench.add("b")
    finished = bench.finish(bench.complete("gone"), bench.complete("a"), bench.complete("lost"), count=1)
    assert [record.id for record in finished.taken.jobs] == ["b"]


def test_a_call_that_is_refused_altogether_takes_nothing_either(bench: Bench) -> None:
    bench.add("a")
    before = bench.dump()
    finished = bench.finish(bench.complete("gone"), bench.fail("lost"), count=1)
    assert finished.taken.jobs == []
    assert bench.dump() == before


def test_a_job_that_is_tried_again_may_be_the_next_one(bench: Bench) -> None:
    bench.start("a")
    finished = bench.finish(Outcome("a", "t", "retry", "no", b"[]"), count=1, token="next")
    assert [(record.id, record.attempts_made, record.attempts_started) for record in finished.taken.jobs] == [
        ("a", 1, 2)
    ]
    assert bench.client.get("bull:q:a:lock") == "next"
    assert bench.in_line("active") == ["a"]


def test_asked_for_none_it_takes_none(bench: Bench) -> None:
    bench.start("a")
    bench.add("b")
    finished = bench.finish(bench.complete("a"), count=0)
    assert (finished.taken.jobs, finished.taken.limited_ms, finished.taken.next_due_ms) == ([], 0, None)


def test_the_slot_of_an_ended_run_counts_as_free_for_the_next(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:meta", "concurrency", 1)
    bench.add("b", "c")
    finished = bench.finish(bench.complete("a"), count=5)
    assert [record.id for record in finished.taken.jobs] == ["b"]


def test_next_jobs_honour_the_rate_limit(bench: Bench) -> None:
    terms = TakeTerms(limit_max=2, limit_ms=60_000)
    bench.add("a", "b", "c")
    bench.take(1, terms=terms)
    finished = bench.finish(bench.complete("a"), count=3, terms=terms)
    assert [record.id for record in finished.taken.jobs] == ["b"]
    finished = bench.finish(bench.complete("b", "next"), count=3, terms=terms)
    assert finished.taken.limited_ms > 50_000


def test_a_drained_queue_says_so_once(bench: Bench) -> None:
    bench.start("a", "b")
    bench.finish(bench.complete("a"), count=1)
    assert "drained" not in bench.events()
    bench.finish(bench.complete("b"), count=1)
    assert bench.events()[-1] == "drained"


def test_a_queue_with_delayed_jobs_is_not_drained_when_the_next_were_asked_for(bench: Bench) -> None:
    bench.start("a")
    bench.add("b", delay=50)
    finished = bench.finish(bench.complete("a"), count=1)
    assert finished.taken.next_due_ms == NOW + 50
    assert "drained" not in bench.events()


def test_a_retry_alone_never_drains(bench: Bench) -> None:
    bench.start("a")
    bench.finish(Outcome("a", "t", "delay", "no", b"[]", delay_ms=5))
    assert "drained" not in bench.events()


@pytest.mark.parametrize("gate", ["paused", "concurrency"])
def test_a_closed_queue_is_not_called_drained(bench: Bench, gate: str) -> None:
    bench.start("a")
    bench.client.hset("bull:q:meta", gate, 0 if gate == "concurrency" else 1)
    assert bench.finish(bench.complete("a"), count=1).taken.jobs == []
    assert "drained" not in bench.events()
