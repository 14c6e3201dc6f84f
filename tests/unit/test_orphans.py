"""Which keys of a queue may be those of a job that is in no container."""

from __future__ import annotations

import pytest

from oxmq.keys import QueueKeys
from oxmq.ops import orphans

KEYS = QueueKeys("q")


@pytest.mark.parametrize(
    "name",
    ["7", "7:logs", "7:lock", "7:dependencies", "7:processed", "7:failed", "7:unsuccessful"],
)
def test_a_job_is_known_by_any_of_its_keys(name: str) -> None:
    assert orphans.candidates(KEYS, [f"bull:q:{name}"]) == {"7"}


@pytest.mark.parametrize(
    "name",
    [
        "wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed", "meta", "id",
        "pc", "limiter", "marker", "events", "stalled", "stalled-check", "repeat", "repeat:daily", "repeat:failed",
        "repeat:daily:1700000000000", "repeat:daily:1700000000000:logs", "de:x", "de:failed", "dn:x", "dn:logs",
        "metrics:completed", "metrics:failed", "metrics:failed:data", "oxmq:workers",
        "oxmq:history", "oxmq:relayed", "oxmq:counts", "",
    ],
)  # fmt: skip
def test_the_queues_own_keys_are_none(name: str) -> None:
    assert orphans.candidates(KEYS, [f"bull:q:{name}"]) == set()


def test_ids_with_colons_are_whole() -> None:
    assert orphans.candidates(KEYS, ["bull:q:a:b:c", "bull:q:a:b:c:logs", "bull:other:7"]) == {"a:b:c"}


def test_the_pattern_matches_nothing_but_the_queue() -> None:
    assert orphans.pattern(QueueKeys("q*[1]", "{bull}")) == "{bull}:q\\*\\[1\\]:*"
