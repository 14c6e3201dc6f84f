"""The script that ends runs: one that gives way to its children."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from oxmq.ops.lifecycle import Outcome
from tests.scripts.bench import PRIORITY, Bench, adopt
from tests.scripts.relations import LATER, RELEASED

PARKED = "waiting-children jobId=p prev=active"
BACK = "waiting jobId=p prev=active"


def park(job_id: str = "p", token: str = "t") -> Outcome:
    return Outcome(job_id, token, "park")


def start(bench: Bench, *children: str, **policy: bool) -> None:
    """Have a parent and its children running, with one token."""
    bench.start("p")
    adopt(bench, "bull:q:p", children, **policy)
    assert bench.taken_ids(len(children)) == list(children) or not children
    bench.clear_marker()
    bench.forget_events()


def test_with_children_pending_it_waits_at_no_cost(bench: Bench) -> None:
    start(bench, "a")
    bench.client.sadd("bull:q:stalled", "p")
    before = bench.dump("active", "p:lock", "stalled")
    assert bench.codes(park(), now=LATER) == [0]
    assert bench.dump("active", "events") == before | {"bull:q:waiting-children": [("p", LATER)]}
    assert bench.in_line("active") == ["a"]
    assert bench.events() == [PARKED]


def test_when_its_children_have_ended_it_runs_next_at_no_cost(bench: Bench) -> None:
    start(bench, "a")
    bench.finish(bench.complete("a"))
    bench.add("x")
    bench.clear_marker()
    bench.forget_events()
    before = bench.hash("p")
    assert bench.codes(park()) == [0]
    assert bench.hash("p") == before
    assert bench.in_line("wait") == ["p", "x"]
    assert bench.marker() == {"0": 0}
    assert bench.events() == [BACK]
    assert not bench.client.exists("bull:q:p:lock", "bull:q:waiting-children")


def test_with_a_priority_it_comes_before_all_of_it(bench: Bench) -> None:
    bench.start("p", priority=2)
    bench.add("x", priority=2)
    bench.finish(park())
    assert bench.scores("prioritized") == {"p": 2 * PRIORITY, "x": 2 * PRIORITY + 2}


@pytest.mark.parametrize("cancelled", ["defa", "defa and cancelledOn"])
def test_one_that_is_to_be_failed_does_not_wait_for_that(bench: Bench, cancelled: str) -> None:
    start(bench, "a")
    bench.client.hset("bull:q:p", mapping=dict.fromkeys(cancelled.split(" and "), "1"))
    assert bench.codes(park()) == [0]
    assert bench.in_line("wait") == ["p"]
    assert bench.events() == [BACK]


def lose_hash(bench: Bench) -> None:
    bench.client.delete("bull:q:p")


def lose_lock(bench: Bench) -> None:
    bench.client.delete("bull:q:p:lock")


def lose_lock_to_another(bench: Bench) -> None:
    bench.client.set("bull:q:p:lock", "other", px=30_000)


def gain_failed_child(bench: Bench) -> None:
    bench.client.zadd("bull:q:p:unsuccessful", {"bull:q:x": LATER})


@pytest.mark.parametrize(
    ("code", "accident"), [(-1, lose_hash), (-2, lose_lock), (-6, lose_lock_to_another), (-9, gain_failed_child)]
)
@pytest.mark.parametrize("children", [["a"], []])
def test_a_refusal_changes_nothing(
    bench: Bench, code: int, accident: Callable[[Bench], None], children: list[str]
) -> None:
    start(bench, *children)
    accident(bench)
    before = bench.dump()
    assert bench.codes(park()) == [code]
    assert bench.dump() == before


def test_one_that_is_not_active_is_refused_and_only_its_lock_let_go(bench: Bench) -> None:
    start(bench, "a")
    bench.client.lrem("bull:q:active", 0, "p")
    before = bench.dump("p:lock")
    assert bench.codes(park()) == [-3]
    assert bench.dump() == before


def test_repeating_it_changes_nothing(bench: Bench) -> None:
    start(bench, "a")
    bench.codes(park())
    before = bench.dump()
    assert bench.codes(park()) == [-2]
    assert bench.dump() == before


def test_a_parked_job_makes_room_for_the_next(bench: Bench) -> None:
    start(bench, "a")
    bench.client.hset("bull:q:meta", "concurrency", 2)
    bench.add("x")
    assert [record.id for record in bench.finish(park(), count=5).taken.jobs] == ["x"]


def test_a_queue_whose_last_run_parks_is_not_drained(bench: Bench) -> None:
    start(bench)
    bench.client.sadd("bull:q:p:dependencies", "bull:other:a")
    bench.finish(park(), count=1)
    assert bench.events() == [PARKED]


# ---- with its children in one batch --------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["parent", "child"])
def test_the_last_child_of_the_same_batch_lets_it_run(bench: Bench, first: str) -> None:
    start(bench, "a")
    runs = [park(), bench.complete("a")]
    assert bench.codes(*(runs if first == "parent" else reversed(runs))) == [0, 0]
    assert bench.in_line("wait") == ["p"]
    assert not bench.client.exists("bull:q:waiting-children", "bull:q:p:dependencies")
    assert bench.events()[:2] == (
        [PARKED, RELEASED] if first == "parent" else ["completed jobId=a returnvalue=1 prev=active", BACK]
    )


@pytest.mark.parametrize("first", ["parent", "child"])
def test_a_child_of_the_same_batch_that_fails_it_does_so_at_once(bench: Bench, first: str) -> None:
    start(bench, "a", "b", fpof=True)
    runs = [park(), bench.fail("a")]
    assert bench.codes(*(runs if first == "parent" else reversed(runs))) == [0, 0]
    assert bench.in_line("wait") == ["p"]
    assert bench.hash("p")["defa"] == "child bull:q:a failed"
    assert not bench.client.exists("bull:q:waiting-children")


def test_only_the_parents_of_a_batch_that_have_children_wait(bench: Bench) -> None:
    bench.start("p", "r", "s", "u")
    adopt(bench, "bull:q:p", ["a"])
    adopt(bench, "bull:q:s", ["b"])
    assert bench.codes(*(park(job_id) for job_id in "prsu")) == [0, 0, 0, 0]
    assert list(bench.scores("waiting-children")) == ["p", "s"]
    assert set(bench.in_line("wait")) == {"a", "b", "r", "u"}
