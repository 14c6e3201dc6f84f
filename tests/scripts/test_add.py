"""The script that stores jobs and puts each where its options say."""

from __future__ import annotations

import pytest

from oxmq.ops import jobs
from oxmq.ops.jobs import NewJob
from oxmq.scripts import Retry
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench


def job(job_id: str = "a", **fields: object) -> NewJob:
    made: dict[str, object] = {"name": "job", "data": b"{}", "opts": b"{}", "timestamp": NOW, **fields}
    return NewJob(job_id, **made)  # type: ignore[arg-type]


def test_a_plain_job_and_nothing_else_is_written(bench: Bench) -> None:
    new = NewJob("a", "resize", b'{"x":1}', b'{"attempts":2}', NOW)
    assert bench.run(jobs.add(bench.keys, new)) == "a"
    assert bench.dump("events") == {
        "bull:q:a": {
            "name": "resize", "data": '{"x":1}', "opts": '{"attempts":2}', "timestamp": str(NOW), "delay": "0",
            "priority": "0",
        },
        "bull:q:id": "1",
        "bull:q:marker": [("0", 0)],
        "bull:q:meta": {"opts.maxLenEvents": "10000"},
        "bull:q:wait": ["a"],
    }  # fmt: skip
    assert bench.events() == ["added jobId=a name=resize", "waiting jobId=a"]


def test_the_counter_gives_an_id_where_the_client_makes_none(bench: Bench) -> None:
    assert bench.run(jobs.add_bulk(bench.keys, [job(""), job("x"), job("")])) == ["1", "x", "3"]
    assert bench.run(jobs.add(bench.keys, job(""))) == "4"
    assert bench.client.get("bull:q:id") == "4"
    assert bench.in_line("wait") == ["1", "x", "3", "4"]


def test_jobs_wait_in_the_order_given_and_lifo_ones_run_next(bench: Bench) -> None:
    bench.add("a", "b")
    bench.run(jobs.add_bulk(bench.keys, [job("c"), job("d", next_up=True), job("e"), job("f", next_up=True)]))
    assert bench.in_line("wait") == ["f", "d", "a", "b", "c", "e"]


def test_priorities_are_scored_by_number_then_by_arrival(bench: Bench) -> None:
    bench.run(jobs.add_bulk(bench.keys, [job("a", priority=5), job("b", priority=2), job("c", priority=5)]))
    assert bench.scores("prioritized") == {"b": 2 * PRIORITY + 2, "a": 5 * PRIORITY + 1, "c": 5 * PRIORITY + 3}
    assert bench.client.get("bull:q:pc") == "3"
    assert bench.hash("a")["priority"] == "5"
    assert bench.marker() == {"0": 0}
    assert bench.events()[:2] == ["added jobId=a name=job", "waiting jobId=a"]


def test_the_largest_priority_keeps_its_order(bench: Bench) -> None:
    most = 2**21 - 1
    bench.add("a", "b", priority=most)
    assert bench.scores("prioritized") == {"a": most * PRIORITY + 1, "b": most * PRIORITY + 2}


def test_lifo_changes_nothing_for_a_prioritized_job(bench: Bench) -> None:
    bench.add("a", priority=1)
    bench.add("b", priority=1, next_up=True)
    assert list(bench.scores("prioritized")) == ["a", "b"]


def test_delayed_jobs_are_scored_by_due_time_then_by_arrival(bench: Bench) -> None:
    bench.run(jobs.add_bulk(bench.keys, [job("a", delay=500), job("b", delay=500), job("c", delay=100, priority=3)]))
    due = (NOW + 500) * STEP
    assert bench.scores("delayed") == {"c": (NOW + 100) * STEP, "a": due, "b": due + 1}
    assert bench.marker() == {"1": NOW + 100}
    assert bench.hash("c")["delay"] == "100"
    assert bench.events() == [
        "added jobId=a name=job", f"delayed jobId=a delay={NOW + 500}",
        "added jobId=b name=job", f"delayed jobId=b delay={NOW + 500}",
        "added jobId=c name=job", f"delayed jobId=c delay={NOW + 100}",
    ]  # fmt: skip


def test_a_delay_counts_from_the_jobs_timestamp(bench: Bench) -> None:
    bench.add("a", delay=500, timestamp=NOW - 400)
    assert bench.scores("delayed") == {"a": (NOW + 100) * STEP}


def test_when_a_millisecond_is_full_its_last_place_is_shared(bench: Bench) -> None:
    last = (NOW + 5) * STEP + STEP - 1
    bench.client.zadd("bull:q:delayed", {"x": last})
    bench.add("a", "b", delay=5)
    assert bench.scores("delayed") == {"a": last, "b": last, "x": last}


def test_a_bulk_of_every_kind_writes_each_marker_once(bench: Bench) -> None:
    bench.run(jobs.add_bulk(bench.keys, [job("a"), job("b", delay=9), job("c", priority=1), job("d", next_up=True)]))
    assert bench.in_line("wait") == ["d", "a"]
    assert bench.marker() == {"0": 0, "1": NOW + 9}


@pytest.mark.parametrize("fields", [{}, {"delay": 5}, {"priority": 1}, {"next_up": True}])
def test_adding_an_id_again_adds_nothing(bench: Bench, fields: dict[str, int]) -> None:
    bench.add("a", **fields)
    bench.clear_marker()
    before = bench.dump("events", "id")
    bench.forget_events()
    assert bench.run(jobs.add(bench.keys, job("a", data=b'"new"', **fields))) == "a"
    assert bench.dump("events", "id") == before
    assert bench.events() == ["duplicated jobId=a"]


def test_an_id_twice_in_one_bulk_is_one_job(bench: Bench) -> None:
    assert bench.run(jobs.add_bulk(bench.keys, [job("a"), job("b"), job("a")])) == ["a", "b", "a"]
    assert bench.in_line("wait") == ["a", "b"]
    assert bench.events()[-1] == "duplicated jobId=a"


def test_a_duplicate_among_new_jobs_is_left_out_alone(bench: Bench) -> None:
    bench.add("b")
    assert bench.run(jobs.add_bulk(bench.keys, [job("a"), job("b"), job("c")])) == ["a", "b", "c"]
    assert bench.in_line("wait") == ["b", "a", "c"]


def test_a_finished_jobs_id_still_counts_as_taken(bench: Bench) -> None:
    bench.start("a")
    bench.finish(bench.complete("a"))
    bench.run(jobs.add(bench.keys, job("a")))
    assert bench.in_line("wait") == []
    assert list(bench.scores("completed")) == ["a"]


def test_a_paused_queue_takes_jobs_and_wakes_nobody(bench: Bench) -> None:
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.add("a")
    bench.add("b", priority=1)
    assert bench.marker() == {}
    assert bench.in_line("wait") == ["a"]
    bench.add("c", delay=5)
    assert bench.marker() == {"1": NOW + 5}


def test_a_queue_at_its_concurrency_wakes_nobody(bench: Bench) -> None:
    bench.start("a")
    bench.client.hset("bull:q:meta", "concurrency", 1)
    bench.clear_marker()
    bench.add("b")
    assert bench.marker() == {}


def test_the_stream_is_capped_where_the_queue_says(bench: Bench) -> None:
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 10)
    for start in range(0, 600, 100):
        bench.add(*(f"j{number}" for number in range(start, start + 100)))
    assert bench.client.xlen("bull:q:events") < 250
    assert bench.client.hget("bull:q:meta", "opts.maxLenEvents") == "10"


def test_adding_may_be_repeated_only_where_the_client_made_every_id(bench: Bench) -> None:
    assert jobs.add(bench.keys, job("a")).retry is Retry.SAFE
    assert jobs.add_bulk(bench.keys, [job("a"), job("")]).retry is Retry.NEVER


def test_a_full_command_of_rows_is_added_in_order(bench: Bench) -> None:
    ids = [f"j{number:03}" for number in range(250)]
    bench.add(*ids)
    assert bench.in_line("wait") == ids
    bench.add(*ids, timestamp=NOW + 1)
    assert bench.client.llen("bull:q:wait") == 250
