"""The script that lets a queue go on."""

from __future__ import annotations

import pytest

from oxmq.ops import queues
from tests.scripts.bench import NOW, Bench


def resume(bench: Bench) -> None:
    first = True
    while bench.run(queues.resume(bench.keys, first=first)):
        first = False


@pytest.mark.parametrize("priority", [0, 1])
def test_a_resumed_queue_wakes_a_worker_where_a_job_is_ready(bench: Bench, priority: int) -> None:
    bench.add("a", priority=priority)
    bench.run(queues.pause(bench.keys))
    bench.forget_events()
    resume(bench)
    assert bench.run(queues.is_paused(bench.keys)) is False
    assert bench.marker() == {"0": 0}
    assert bench.events() == ["resumed"]


def test_a_resumed_queue_marks_when_the_next_job_is_due(bench: Bench) -> None:
    bench.add("a", delay=9)
    bench.run(queues.pause(bench.keys))
    resume(bench)
    assert bench.marker() == {"1": NOW + 9}


def test_a_resumed_empty_queue_wakes_nobody(bench: Bench) -> None:
    resume(bench)
    assert bench.marker() == {}


def test_pausing_and_resuming_twice_ends_the_same(bench: Bench) -> None:
    bench.add("a")
    bench.forget_events()
    before = bench.dump()
    for _ in range(2):
        bench.run(queues.pause(bench.keys))
    for _ in range(2):
        resume(bench)
    bench.forget_events()
    assert bench.dump() == before


def test_jobs_that_an_older_library_set_aside_come_back_in_order(bench: Bench) -> None:
    bench.client.lpush("bull:q:paused", *"abc")
    resume(bench)
    assert bench.in_line("wait") == list("abc")
    assert not bench.client.exists("bull:q:paused")


def test_they_come_back_before_those_that_wait(bench: Bench) -> None:
    bench.client.lpush("bull:q:paused", *"abc")
    bench.add("x", "y")
    bench.forget_events()
    resume(bench)
    assert bench.in_line("wait") == [*"abc", "x", "y"]
    assert bench.events() == ["resumed"]


def test_thousands_come_back_in_pieces_in_order(bench: Bench) -> None:
    ids = [f"j{number:04}" for number in range(2_500)]
    bench.client.lpush("bull:q:paused", *ids)
    bench.client.lpush("bull:q:wait", "x")
    bench.forget_events()
    assert bench.run(queues.resume(bench.keys, first=True)) == 1_500
    assert bench.run(queues.resume(bench.keys, first=False)) == 500
    assert bench.run(queues.resume(bench.keys, first=False)) == 0
    assert bench.in_line("wait") == [*ids, "x"]
    assert bench.events() == ["resumed"]
