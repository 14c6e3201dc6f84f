"""The script that tells for how long a rate limit lets no job start."""

from __future__ import annotations

import pytest

from oxmq.ops import queues
from tests.scripts.bench import Bench


@pytest.mark.parametrize(
    ("counter", "max_jobs", "meta_max", "limited"),
    [
        (None, None, None, False),
        (None, 1, None, False),
        (3, None, None, True),
        (3, 3, None, True),
        (3, 4, None, False),
        (3, None, 3, True),
        (3, None, 4, False),
        (3, 3, 9, True),
        (2**53 - 1, None, 9, True),
    ],
)
def test_a_full_counter_limits_until_it_expires(
    bench: Bench, counter: int | None, max_jobs: int | None, meta_max: int | None, limited: bool
) -> None:
    if counter is not None:
        bench.client.set("bull:q:limiter", counter, px=60_000)
    if meta_max is not None:
        bench.client.hset("bull:q:meta", "max", meta_max)
    before = bench.dump()
    ttl = bench.run(queues.get_rate_limit_ttl(bench.keys, max_jobs))
    assert (50_000 < ttl <= 60_000) if limited else ttl == 0
    assert bench.dump() == before


def test_a_counter_without_end_limits_nothing(bench: Bench) -> None:
    bench.client.set("bull:q:limiter", 5)
    assert bench.run(queues.get_rate_limit_ttl(bench.keys, None)) == 0
