"""The script that adds what an outbox holds: a row that is said twice adds one job, whatever became of it since."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from oxmq import Deduplication
from oxmq.errors import JobError, ParentConflictError, ParentNotFoundError
from oxmq.ops import relaying
from oxmq.ops.jobs import NewJob
from tests.scripts.bench import NOW, Bench, draft
from tests.scripts.relations import child, lay_parent

DAY = 86_400_000


def relay(bench: Bench, *rows: tuple[str, NewJob], now: int = NOW) -> list[str | JobError]:
    """Add the jobs of rows."""
    return bench.run(relaying.add_relayed(bench.keys, rows, now))


def marks(bench: Bench) -> dict[str, int]:
    """Return what is remembered, and until when."""
    return {mark: int(score) for mark, score in bench.client.zrange(bench.of("oxmq:relayed"), 0, -1, withscores=True)}


def test_jobs_are_added_as_ever_and_their_rows_are_remembered(bench: Bench) -> None:
    jobs = [draft("a"), draft("b", lifo=True), draft("c", delay=5), draft("d", priority=3)]
    assert relay(bench, *((f"r{job.id}", job) for job in jobs)) == ["a", "b", "c", "d"]
    relayed = bench.dump()
    assert marks(bench) == dict.fromkeys(["ra", "rb", "rc", "rd"], NOW + 7 * DAY)
    assert 0 < bench.client.pttl(bench.of("oxmq:relayed")) <= 7 * DAY
    bench.client.flushall()
    bench.add_drafted(*jobs)
    plain = bench.dump()
    changing = {bench.of("oxmq:relayed"), bench.of("events"), bench.of("meta"), bench.of("pc"), bench.of("id")}
    assert {key: value for key, value in relayed.items() if key not in changing} == {
        key: value for key, value in plain.items() if key not in changing
    }


def test_a_row_that_is_said_twice_adds_nothing_more(bench: Bench) -> None:
    relay(bench, ("r", draft("a")))
    events = bench.events()
    assert relay(bench, ("r", draft("a")), ("r", draft("a"))) == ["a", "a"]
    assert bench.in_line("wait") == ["a"]
    assert bench.events() == events


def test_a_row_whose_job_has_ended_and_is_gone_adds_nothing_more(bench: Bench) -> None:
    relay(bench, ("r", draft("a")))
    bench.client.delete(bench.of("a"), bench.of("wait"))
    assert relay(bench, ("r", draft("a"))) == ["a"]
    assert not bench.client.exists(bench.of("a"), bench.of("wait"))


def test_another_row_may_have_the_id_of_a_job_that_is_gone(bench: Bench) -> None:
    relay(bench, ("r1", draft("a")))
    bench.client.delete(bench.of("a"), bench.of("wait"))
    assert relay(bench, ("r2", draft("a"))) == ["a"]
    assert bench.in_line("wait") == ["a"]


def test_another_row_with_the_id_of_a_job_that_is_there_adds_nothing(bench: Bench) -> None:
    assert relay(bench, ("r1", draft("a")), ("r2", draft("a"))) == ["a", "a"]
    assert bench.in_line("wait") == ["a"]
    assert set(marks(bench)) == {"r1", "r2"}


def test_what_an_outbox_has_no_more_is_forgotten_after_two_minutes(bench: Bench) -> None:
    relay(bench, ("r1", draft("a")), ("r2", draft("b")))
    bench.run(relaying.forget_relayed(bench.keys, ["r1", "never there"], NOW))
    assert marks(bench) == {"r1": NOW + 120_000, "r2": NOW + 7 * DAY}
    relay(bench, ("r3", draft("c")), now=NOW + 119_999)
    assert "r1" in marks(bench)
    relay(bench, ("r3", draft("c")), now=NOW + 120_000)
    assert set(marks(bench)) == {"r2", "r3"}


def test_so_much_is_forgotten_at_once_and_no_more(bench: Bench) -> None:
    bench.client.zadd(bench.of("oxmq:relayed"), {f"old{number}": number for number in range(1500)})
    relay(bench, ("r", draft("a")))
    assert len(marks(bench)) == 501
    relay(bench, ("r", draft("a")))
    assert set(marks(bench)) == {"r"}


def test_a_deduplicated_row_is_answered_with_the_job_that_stands_in_for_it(bench: Bench) -> None:
    def same(job_id: str) -> NewJob:
        return draft(job_id, deduplication=Deduplication("d"))

    assert relay(bench, ("r1", same("a")), ("r2", same("b"))) == ["a", "a"]
    bench.client.delete(bench.of("a"), bench.of("de:d"), bench.of("wait"))
    assert relay(bench, ("r2", same("b"))) == ["b"]
    assert not bench.client.exists(bench.of("b"))


def test_a_child_whose_parent_is_missing_is_refused_and_not_remembered(bench: Bench, base: str) -> None:
    assert isinstance(relay(bench, ("r", child("a", base)))[0], ParentNotFoundError)
    assert (marks(bench), bench.client.exists(bench.of("a"))) == ({}, 0)
    lay_parent(bench, base)
    assert relay(bench, ("r", child("a", base))) == ["a"]
    assert set(marks(bench)) == {"r"}


def test_a_child_of_another_living_parent_is_refused(bench: Bench, base: str) -> None:
    lay_parent(bench, base)
    relay(bench, ("r1", child("a", base)))
    bench.client.hset(f"{base}p2", mapping={"name": "p", "timestamp": NOW})
    other = child("a", base, parent="p2")
    refused, added = relay(bench, ("r2", other), ("r3", draft("b")))
    assert isinstance(refused, ParentConflictError)
    assert (added, set(marks(bench))) == ("b", {"r1", "r3"})


def test_a_foreign_value_in_the_place_of_the_marks_changes_nothing(bench: Bench) -> None:
    bench.client.set(bench.of("oxmq:relayed"), "text")
    before: dict[str, Any] = bench.dump()
    with pytest.raises(Exception, match="WRONGTYPE") as caught:
        relay(bench, ("r", draft("a")))
    assert not isinstance(caught.value, redis.RedisError)
    assert bench.dump() == before
