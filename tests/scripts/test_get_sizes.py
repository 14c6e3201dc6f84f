"""The script that estimates how much memory a queue takes."""

from __future__ import annotations

import pytest

from oxmq.ops import sizes
from tests.scripts.bench import Bench


def test_more_and_larger_jobs_take_more(bench: Bench) -> None:
    empty = bench.run(sizes.get_size(bench.keys, 20))
    bench.add("a", data=b'"' + b"x" * 10_000 + b'"')
    before = bench.dump()
    one = bench.run(sizes.get_size(bench.keys, 20))
    assert bench.dump() == before
    assert 10_000 < one - empty < 40_000
    bench.add("b", data=b'"' + b"x" * 10_000 + b'"')
    assert bench.run(sizes.get_size(bench.keys, 20)) > one + 10_000


def test_some_jobs_stand_for_all(bench: Bench) -> None:
    bench.add(*(f"j{number}" for number in range(100)), data=b'"' + b"x" * 1_000 + b'"')
    weighed_all = bench.run(sizes.get_size(bench.keys, 200))
    assert bench.run(sizes.get_size(bench.keys, 10)) == pytest.approx(weighed_all, rel=0.05)


def test_a_broken_key_weighs_for_itself(bench: Bench) -> None:
    bench.client.set(bench.of("wait"), "x" * 5_000)
    assert bench.run(sizes.get_size(bench.keys, 20)) > 5_000
