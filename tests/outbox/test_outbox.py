"""What an outbox promises, on every kind of database access."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from oxmq import Deduplication, Oxmq
from oxmq.errors import ConfigurationError
from oxmq.options import Parent, job_options
from oxmq.sync import Queue
from oxmq.task import TaskCall
from tests.outbox.sites import SORTS, Place, Wish
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.parametrize("kind", SORTS, indirect=True)


def test_a_committed_job_is_there_once_and_its_row_is_gone(site: Any, queue: Queue) -> None:
    ids = site.write([Wish(1), Wish(2), Wish(3)])
    assert queue.get_job_counts()["waiting"] == 0
    assert site.relay_due() == 3
    assert {job.id: job.data for job in queue.get_waiting()} == {
        job_id: {"number": number} for number, job_id in enumerate(ids, 1)
    }
    assert site.backlog().rows == 0
    assert site.relay_due() == 0
    assert queue.get_job_counts()["waiting"] == 3


def test_jobs_come_in_the_order_in_which_they_were_written(site: Any, queue: Queue) -> None:
    ids = site.write([Wish(1), Wish(2), Wish(3, "other")]) + site.write([Wish(4), Wish(5, "other"), Wish(6)])
    site.relay_due()
    line = [job.id for job in queue.get_jobs(["waiting"], asc=True)]
    assert line == [ids[0], ids[1], ids[3], ids[5]]


def test_a_rolled_back_job_never_is(site: Any, queue: Queue) -> None:
    site.write([Wish(1)], "rollback")
    assert site.relay_due() == 0
    assert queue.get_job_counts()["waiting"] == 0


def test_a_savepoint_takes_its_jobs_with_it(site: Any, queue: Queue) -> None:
    (kept,) = site.write([Wish(1)], undone=[Wish(2)])
    assert site.relay_due() == 1
    assert [job.id for job in queue.get_waiting()] == [kept]


async def test_a_job_is_what_a_plain_enqueue_makes(site: Any, place: Place, redis_client: Any) -> None:
    options = {"attempts": 3, "priority": 2, "timeout": 30, "expires": "1h", "remove_on_complete": 5, "lifo": True}
    (job_id,) = site.write([Wish(1, options=options)])
    site.relay_due()
    app = Oxmq(place.redis, prefix=place.prefix)

    @app.task(name="note", queue="q")
    async def note(number: int) -> int:
        return number

    async with app:
        plain = await app.enqueue(TaskCall(note, {"number": 1}, job_options(options)))
    fields = [redis_client.hgetall(f"{place.prefix}:q:{each}") for each in (job_id, plain.id)]
    for each in fields:
        del each["timestamp"]
    assert fields[0] == fields[1]
    assert redis_client.zcard(f"{place.prefix}:q:prioritized") == 2


def test_a_delay_counts_from_when_the_row_was_written(site: Any, queue: Queue) -> None:
    (job_id,) = site.write([Wish(1, options={"delay": "1h"})])
    (row,) = site.read_rows()
    site.relay_due()
    job = queue.get_job(job_id)
    assert job is not None
    assert job.get_state() == "delayed"
    assert (job.record.timestamp, job.record.delay) == (row.timestamp, 3_600_000)


def test_deduplication_and_own_ids_survive(site: Any, queue: Queue) -> None:
    once = {"deduplication": Deduplication("same", ttl="1h")}
    first, _ = site.write([Wish(1, options=once), Wish(2, options=once)])
    assert site.write([Wish(3, options={"job_id": "mine"}), Wish(4, options={"job_id": "mine"})]) == ["mine"] * 2
    site.relay_due()
    assert {job.id for job in queue.get_waiting()} == {first, "mine"}
    mine = queue.get_job("mine")
    assert mine is not None
    assert mine.data == {"number": 3}
    assert site.backlog().rows == 0


def test_a_parent_survives(site: Any, place: Place, queue: Queue) -> None:
    parent = queue.add("parent", {})
    (child,) = site.write([Wish(1, options={"parent": Parent(parent.id, f"{place.prefix}:q")})])
    site.relay_due()
    job = queue.get_job(child)
    assert job is not None
    assert job.parent_key == f"{place.prefix}:q:{parent.id}"


def test_nothing_is_written_of_what_is_not_acceptable(site: Any) -> None:
    with pytest.raises(ConfigurationError, match="priority must be"):
        site.write([Wish(1, options={"priority": -1})])
    with pytest.raises(ConfigurationError, match="number"):
        site.write([Wish("one")])  # type: ignore[arg-type]  # that is what it is about
    with pytest.raises(ConfigurationError, match="at most 5 are allowed"):
        site.write([Wish(1, options={"size_limit": 5})])
    assert site.backlog() == structs.replace(site.backlog(), rows=0, refused=0, oldest=0.0)


def test_rows_that_are_refused_keep_nobody_waiting(site: Any, place: Place, queue: Queue) -> None:
    missing = Parent("nobody", f"{place.prefix}:q")
    (orphan, good) = site.write([Wish(1, options={"parent": missing}), Wish(2)])
    assert site.relay_due() == 1
    assert [job.id for job in queue.get_waiting()] == [good]
    backlog = site.backlog()
    assert (backlog.rows, backlog.refused) == (1, 1)
    (row,) = site.read_rows()
    assert (row.job_id, row.attempts) == (orphan, 1)
    assert row.last_error.startswith("ParentNotFoundError: Missing key for parent job")
    assert 0 < row.due_ms - row.created_ms <= 60_000
    (line,) = [line for line in site.heard() if "was refused" in line]
    assert orphan in line
    assert "number" not in line
    assert site.relay_due() == 0
    assert site.health().refused == 1


def test_a_refused_row_is_tried_again(site: Any, place: Place, queue: Queue) -> None:
    queue.add("parent", {}, job_id="late")
    site.write([Wish(1, options={"parent": Parent("later", f"{place.prefix}:q")})])
    site.relay_due()
    queue.add("parent", {}, job_id="later")
    site.start_relay()
    eventually_sync(lambda: site.backlog().rows == 0, 30)
    later = queue.get_job("later")
    assert later is not None
    assert later.get_dependencies_count()["unprocessed"] == 1


def test_a_running_relay_brings_jobs_and_stops_in_good_order(site: Any, queue: Queue) -> None:
    site.start_relay()
    eventually_sync(lambda: site.health().running, 20)
    for round_ in range(3):
        site.write([Wish(round_)])
        eventually_sync(lambda: site.backlog().rows == 0, 20)
    assert queue.get_job_counts()["waiting"] == 3
    site.stop_relay()
    assert (site.health().running, site.health().relayed) == (False, 3)
    site.write([Wish(9)])
    assert site.backlog().rows == 1
    site.start_relay()
    eventually_sync(lambda: site.backlog().rows == 0, 20)


def test_several_relays_bring_each_job_once_and_in_order(
    site: Any, host: Callable[..., Any], place: Place, queue: Queue
) -> None:
    relays = [host() for _ in range(3)]
    for relay in relays:
        relay.start_relay()
    ids = [job_id for start in range(0, 600, 40) for job_id in site.write([Wish(start + n) for n in range(40)])]
    eventually_sync(lambda: site.backlog().rows == 0, 40)
    line = [job.id for job in queue.get_jobs(["waiting"], 0, -1, asc=True)]
    assert sorted(line) == sorted(ids)
    assert len(set(line)) == len(line)
    if "sqlite" not in place.kind:
        assert line == ids
        eventually_sync(lambda: sum(relay.health().relayed for relay in relays) == len(ids), 20)


def test_the_age_of_a_backlog_is_told(site: Any) -> None:
    site.write([Wish(1)])
    eventually_sync(lambda: site.backlog().oldest > 0, 20)
    assert site.backlog().rows == 1
