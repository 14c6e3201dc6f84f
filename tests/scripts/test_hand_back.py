"""The script that returns the jobs of a take whose reply was lost."""

from __future__ import annotations

from oxmq.ops import lifecycle
from tests.scripts.bench import Bench


def hand_back(bench: Bench) -> list[str]:
    return bench.run(lifecycle.hand_back(bench.keys, "t"))


def test_what_a_lost_reply_took_is_handed_back_to_run_next(bench: Bench) -> None:
    bench.start("a", "c")
    bench.start("x", token="other")
    bench.add("y")
    bench.client.sadd("bull:q:stalled", "a")
    bench.clear_marker()
    bench.forget_events()
    assert sorted(hand_back(bench)) == ["a", "c"]
    assert bench.in_line("active") == ["x"]
    assert sorted(bench.in_line("wait")[:2]) == ["a", "c"]
    assert bench.in_line("wait")[2:] == ["y"]
    assert bench.marker() == {"0": 0}
    assert bench.events() == [f"waiting jobId={job_id} prev=active" for job_id in ("c", "a")]
    assert not bench.client.exists("bull:q:a:lock", "bull:q:c:lock", "bull:q:stalled")


def test_jobs_handed_back_run_in_the_order_in_which_they_were_taken(bench: Bench) -> None:
    bench.start("a", "b", "c")
    hand_back(bench)
    assert bench.in_line("wait") == ["a", "b", "c"]


def test_a_handed_back_job_has_cost_no_attempt(bench: Bench) -> None:
    bench.start("a")
    before = bench.hash("a")
    hand_back(bench)
    assert bench.hash("a") == before


def test_a_prioritized_job_is_handed_back_among_its_like(bench: Bench) -> None:
    bench.start("a", priority=2)
    hand_back(bench)
    assert list(bench.scores("prioritized")) == ["a"]


def test_handing_back_again_changes_nothing(bench: Bench) -> None:
    bench.start("a")
    hand_back(bench)
    before = bench.dump()
    assert hand_back(bench) == []
    assert bench.dump() == before
