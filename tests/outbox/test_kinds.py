"""The core of the promise, on every kind of database access and driver."""

from __future__ import annotations

from typing import Any

from oxmq.sync import Queue
from tests.outbox.sites import Wish
from tests.support.waiting import eventually_sync


def test_what_is_committed_comes_and_nothing_else(site: Any, queue: Queue) -> None:
    ids = site.write([Wish(1), Wish(2)], undone=[Wish(3)])
    site.write([Wish(4)], "rollback")
    assert site.backlog().rows == 2
    site.start_relay()
    eventually_sync(lambda: site.backlog().rows == 0, 20)
    assert [job.id for job in queue.get_jobs(["waiting"], asc=True)] == ids
    site.stop_relay()
