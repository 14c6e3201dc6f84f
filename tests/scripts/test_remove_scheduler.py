"""The script that removes a scheduler."""

from __future__ import annotations

from oxmq import cron, every
from oxmq.ops import schedulers
from tests.scripts.bench import Bench
from tests.scripts.schedulers import job_at, upsert


def test_a_scheduler_goes_with_its_delayed_job(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    bench.client.rpush(bench.of(f"{job_at(40_000)}:logs"), "a row")
    bench.forget_events()
    assert bench.run(schedulers.remove(bench.keys, "s")) is True
    assert bench.dump("id", "marker", "meta", "events") == {}
    assert bench.events() == [f"removed jobId={job_at(40_000)} prev=delayed"]


def test_a_job_that_is_ready_stays(bench: Bench) -> None:
    upsert(bench, every(60))
    bench.forget_events()
    assert bench.run(schedulers.remove(bench.keys, "s")) is True
    assert bench.in_line("wait") == [job_at(0)]
    assert not bench.client.exists("bull:q:repeat", "bull:q:repeat:s")
    assert bench.events() == []


def test_others_stay(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    upsert(bench, cron("* * * * *"), scheduler="other")
    bench.run(schedulers.remove(bench.keys, "s"))
    assert set(bench.scores("repeat")) == {"other"}
    assert set(bench.scores("delayed")) == {job_at(40_000, "other")}


def test_one_that_is_not_there_is_not_removed(bench: Bench) -> None:
    upsert(bench, every(60), scheduler="other")
    before = bench.dump()
    assert bench.run(schedulers.remove(bench.keys, "s")) is False
    assert bench.dump() == before


def test_an_entry_without_record_is_removed(bench: Bench) -> None:
    bench.client.zadd(bench.of("repeat"), {"job::::* * * * *": 5})
    assert bench.run(schedulers.remove(bench.keys, "job::::* * * * *")) is True
    assert bench.dump() == {}
