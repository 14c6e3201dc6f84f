"""F7: the connection on which an idle worker waits breaks, or falls silent."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic

import pytest

from tests.faults.stage import TIMES, Stage
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually_sync

#: A wait may last this long before the worker looks for jobs, whatever became of it.
CYCLE = TIMES["drain_delay"] + 2.0


def reset_the_wait(proxy: FaultProxy) -> None:
    proxy.reset_before("BZPOPMIN")


def lose_its_answer(proxy: FaultProxy) -> None:
    proxy.swallow_reply("BZPOPMIN")


def has_fired(proxy: FaultProxy, times: int) -> bool:
    return proxy.fired.total() >= times


@pytest.mark.parametrize("fault", [reset_the_wait, lose_its_answer])
def test_broken_wait_is_made_anew(far_stage: Stage, proxy: FaultProxy, fault: Callable[[FaultProxy], None]) -> None:
    far_stage.start_workers()
    for round_ in range(5):
        fault(proxy)
        eventually_sync(partial(has_fired, proxy, round_ + 1), CYCLE)
        begun = monotonic()
        far_stage.add(f"after-{round_}")
        far_stage.until("start", key=f"after-{round_}", seconds=CYCLE)
        assert monotonic() - begun < 2
    far_stage.finish()


def test_marker_whose_delivery_was_lost_is_not_missed(far_stage: Stage, proxy: FaultProxy) -> None:
    """The server has handed the marker out, and the worker never got it."""
    far_stage.start_workers(drain_delay=30)
    eventually_sync(lambda: proxy.commands["BZPOPMIN"])
    proxy.half_open()
    far_stage.add("unheard")
    # Only the end of the connection tells the worker.
    proxy.heal()
    far_stage.until("start", key="unheard", seconds=2)
    far_stage.finish()


def test_silent_wait_ends(far_stage: Stage, proxy: FaultProxy) -> None:
    (worker,) = far_stage.start_workers(lock_duration=30)
    eventually_sync(lambda: proxy.commands["BZPOPMIN"])
    proxy.half_open()
    far_stage.add("silent")
    # The wait ends after its cycle; the take after that goes nowhere, too, for as long as a call may take.
    far_stage.until("start", key="silent", seconds=CYCLE + 6)
    assert far_stage.is_healthy(worker)
    far_stage.finish()


def test_server_that_refuses_connections_is_not_flooded(far_stage: Stage, proxy: FaultProxy) -> None:
    (worker,) = far_stage.start_workers()
    proxy.refuse()
    begun = monotonic()
    far_stage.until("error", 4, 20, pid=worker.pid)
    errors, seconds = far_stage.count("error", since=begun), monotonic() - begun
    assert errors / seconds <= 5
    proxy.heal()
    assert far_stage.assert_recovered() < 3
    far_stage.finish()
