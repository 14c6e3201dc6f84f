"""F4: the server is killed under load, and comes back."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from tests.faults.stage import FLAVOUR, Stage
from tests.support.servers import Appendonly, RedisServer
from tests.support.waiting import eventually_sync


@pytest.mark.parametrize("appendonly", ["always", "everysec"])
def test_nothing_acknowledged_is_lost(tmp_path: Path, appendonly: Appendonly) -> None:
    """The kernel keeps what a killed server had written; only a crash of the machine loses a second's writes."""
    with RedisServer(FLAVOUR, appendonly=appendonly) as server, Stage(tmp_path, server) as stage:
        stage.start_workers(2)
        stage.start_producers(2)
        for _ in range(2):
            stage.until("end", stage.count("end") + 40)
            server.kill9()
            stage.until("add", stage.count("add", how="invoke") + 1, how="invoke")
            server.start()
            assert stage.assert_recovered() < 3
        verdict = stage.finish()
        assert len(verdict.acknowledged) > 80


def test_workers_go_on_with_a_server_that_forgot_everything(stage: Stage) -> None:
    """What was in a server without persistence is gone; the workers are not."""
    stage.start_workers(2)
    stage.add("forgotten", seconds=3600)
    stage.until("start")
    stage.server.kill9()
    stage.until("error", 2)
    stage.server.start()
    begun = monotonic()
    eventually_sync(lambda: stage.keyspace.state_of("forgotten") == "", 1)
    assert stage.assert_recovered() < 3
    assert stage.count("error", since=begun + 2) == 0
