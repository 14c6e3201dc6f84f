"""The verdict on a worker: progress, not mere life."""

from __future__ import annotations

import pytest

from oxmq.worker.health import verdict


@pytest.mark.parametrize(("cycle", "renewal"), [(0.0, 0.0), (20.0, 30.0)])
def test_within_its_limits_a_worker_is_well(cycle: float, renewal: float) -> None:
    assert not verdict(cycle, 20.0, renewal, 30.0)


def test_a_worker_that_redis_does_not_answer_is_not_well() -> None:
    assert verdict(20.26, 20.0, 0.0, 30.0) == "no answer from Redis for 20.3 s (at most 20.0 s are usual)"


def test_a_worker_that_renews_no_locks_is_not_well() -> None:
    assert verdict(0.0, 20.0, 31.0, 30.0) == "locks not renewed for 31.0 s (at most 30.0 s are usual)"


def test_silence_of_redis_is_named_first() -> None:
    assert verdict(99.0, 20.0, 99.0, 30.0).startswith("no answer from Redis")
