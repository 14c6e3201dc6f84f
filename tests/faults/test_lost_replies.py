"""F6: a script runs on the server, and its answer never arrives."""

from __future__ import annotations

from functools import partial

import pytest

from oxmq.scripts import SCRIPTS
from tests.faults.stage import Stage
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually_sync


@pytest.mark.parametrize("script", ["add", "take", "finish", "extend_locks", "recover_stalled"])
def test_nothing_is_lost_or_done_twice(far_stage: Stage, proxy: FaultProxy, script: str) -> None:
    """The locks last longer than the test: what is not handed back at once would be missing at the end."""
    rounds = 4
    lock = 1 if script == "extend_locks" else 60
    far_stage.start_workers(2, lock_duration=lock)
    # Little enough that workers fall idle in between: a busy one takes jobs with the call that ends others.
    far_stage.start_producers(2, seconds=0.1 if script == "extend_locks" else 0.02, gap=0.2)
    far_stage.start_producers(1, ids="counter", gap=0.2)
    far_stage.until("end", 10)
    for nth in range(1, rounds + 1):
        proxy.swallow_reply(f"EVALSHA {SCRIPTS[script].sha}", nth)
        eventually_sync(partial(has_fired, proxy, nth), 10)
    verdict = far_stage.finish()
    assert {job.stalled for job in far_stage.keyspace.jobs()} == {0}
    assert verdict.unknown == verdict.recovered


def test_answer_of_a_hand_back_is_lost_too(far_stage: Stage, proxy: FaultProxy) -> None:
    far_stage.start_workers(lock_duration=60)
    proxy.swallow_reply(f"EVALSHA {SCRIPTS['take'].sha}", 2)
    proxy.swallow_reply(f"EVALSHA {SCRIPTS['hand_back'].sha}")
    far_stage.add("unlucky")
    far_stage.until("accept", key="unlucky")
    eventually_sync(lambda: proxy.fired["swallow_reply"] == 2, 5)
    far_stage.finish()
    assert {job.stalled for job in far_stage.keyspace.jobs()} == {0}


def test_connections_that_the_server_forgot_cost_no_lock(far_stage: Stage, proxy: FaultProxy) -> None:
    """What is sent on them goes nowhere. The locks are renewed on a connection that is given up sooner than others."""
    (worker,) = far_stage.start_workers(lock_duration=2)
    for number in range(5):
        far_stage.add(f"held-{number}", seconds=3)
    far_stage.until("start", 5)
    proxy.half_open()
    far_stage.until("accept", 5, 15)
    assert far_stage.count("lock_lost", pid=worker.pid) == 0
    far_stage.finish()
    assert {(job.attempts_started, job.stalled) for job in far_stage.keyspace.jobs()} == {(1, 0)}


def has_fired(proxy: FaultProxy, times: int) -> bool:
    return proxy.fired["swallow_reply"] >= times
