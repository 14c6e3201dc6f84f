"""The script that ends runs: what a parent, in whatever queue, learns of its child."""

from __future__ import annotations

import pytest

from tests.scripts.bench import NOW, PRIORITY, STEP, Bench, Keyspace, adopt, make_flow
from tests.scripts.relations import LATER, RELEASED, line


def run_children(bench: Bench, *children: str) -> None:
    """Take the children, in order, forgetting the events."""
    assert bench.taken_ids(len(children)) == list(children)
    bench.forget_events()


def test_the_last_child_to_complete_releases_the_parent(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a", "b"], parent_base=base)
    run_children(bench, "a", "b")
    bench.finish(bench.complete("a", value=b'"A"'))
    assert bench.client.zscore(f"{base}waiting-children", "p")
    bench.finish(bench.complete("b", value=b'"B"'), now=LATER)
    assert not bench.client.exists(f"{base}waiting-children", f"{parent}:dependencies")
    assert bench.client.hgetall(f"{parent}:processed") == {"bull:q:a": '"A"', "bull:q:b": '"B"'}
    assert line(bench, base) == ["p"]
    assert bench.client.zscore(f"{base}marker", "0") == 0
    assert RELEASED in bench.events(base)


def test_the_parents_event_comes_before_the_childs(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    run_children(bench, "a")
    bench.finish(bench.complete("a"))
    assert bench.events() == [RELEASED, "completed jobId=a returnvalue=1 prev=active"]


def test_children_of_one_batch_release_their_parent_once(bench: Bench, base: str) -> None:
    make_flow(bench, "p", ["a", "b", "c"], parent_base=base)
    run_children(bench, "a", "b", "c")
    bench.finish(*(bench.complete(child) for child in "abc"))
    assert bench.events(base).count(RELEASED) == 1
    assert line(bench, base) == ["p"]


def test_a_released_parent_may_be_the_next_job_of_the_same_call(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    run_children(bench, "a")
    assert [record.id for record in bench.finish(bench.complete("a"), count=1).taken.jobs] == ["p"]


def test_a_released_parent_runs_before_those_that_wait(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    run_children(bench, "a")
    bench.add("x", "y")
    bench.finish(bench.complete("a"))
    assert bench.in_line("wait") == ["p", "x", "y"]


def test_a_parent_keeps_its_priority(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    bench.client.hset(parent, "priority", 3)
    run_children(bench, "a")
    bench.finish(bench.complete("a"))
    assert bench.client.zscore(f"{base}prioritized", "p") == 3 * PRIORITY + 1


def test_a_parents_delay_begins_when_its_last_child_ends(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    bench.client.hset(parent, "delay", 500)
    run_children(bench, "a")
    bench.finish(bench.complete("a"), now=LATER)
    assert bench.client.zscore(f"{base}delayed", "p") == (LATER + 500) * STEP
    assert bench.client.zscore(f"{base}marker", "1") == LATER + 500
    assert f"delayed jobId=p delay={LATER + 500}" in bench.events(base)


def test_a_paused_parents_queue_is_not_woken(bench: Bench) -> None:
    make_flow(bench, "p", ["a"], parent_base="bull:other:")
    bench.client.hset("bull:other:meta", "paused", 1)
    run_children(bench, "a")
    bench.finish(bench.complete("a"))
    assert line(bench, "bull:other:") == ["p"]
    assert not bench.client.exists("bull:other:marker")


def test_a_child_that_is_not_kept_still_reports(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    run_children(bench, "a")
    bench.finish(bench.complete("a", value=b'"A"', keep_count=0))
    assert bench.client.hgetall(f"{parent}:processed") == {"bull:q:a": '"A"'}
    assert line(bench, base) == ["p"]


def fail_child(bench: Bench, base: str, children: tuple[str, ...] = ("a",), **policy: bool) -> str:
    """Make a flow, run its children and fail the first."""
    parent = make_flow(bench, "p", children, parent_base=base, **policy)
    run_children(bench, *children)
    bench.finish(bench.fail("a", reason="broken"), now=LATER)
    return parent


def test_fail_parent_releases_it_to_be_failed(bench: Bench, base: str) -> None:
    parent = fail_child(bench, base, ("a", "b"), fpof=True)
    assert bench.client.zrange(f"{parent}:unsuccessful", 0, -1, withscores=True) == [("bull:q:a", LATER)]
    assert bench.client.hget(parent, "defa") == "child bull:q:a failed"
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:b"}
    assert line(bench, base) == ["p"]
    assert RELEASED in bench.events(base)


def test_fail_parent_takes_a_delayed_parent_out(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base, fpof=True)
    bench.client.delete(f"{base}waiting-children")
    bench.client.zadd(f"{base}delayed", {"p": (NOW + 10**6) * STEP})
    bench.client.hset(parent, "delay", 10**6)
    run_children(bench, "a")
    bench.finish(bench.fail("a"))
    assert bench.client.hget(parent, "delay") == "0"
    assert line(bench, base) == ["p"]
    assert not bench.client.exists(f"{base}delayed")


@pytest.mark.parametrize(("container", "told"), [("active", True), ("failed", False)])
def test_fail_parent_leaves_a_parent_elsewhere_where_it_is(bench: Bench, container: str, told: bool) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base="bull:other:", fpof=True)
    bench.client.delete("bull:other:waiting-children")
    if container == "active":
        bench.client.lpush("bull:other:active", "p")
    else:
        bench.client.zadd("bull:other:failed", {"p": NOW})
    run_children(bench, "a")
    bench.finish(bench.fail("a"))
    assert bool(bench.client.hexists(parent, "defa")) is told
    assert not bench.client.exists("bull:other:wait", "bull:other:events")


def test_continue_parent_releases_it_with_children_pending(bench: Bench, base: str) -> None:
    parent = fail_child(bench, base, ("a", "b"), cpof=True)
    assert bench.client.hgetall(f"{parent}:failed") == {"bull:q:a": "broken"}
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:b"}
    assert line(bench, base) == ["p"]
    assert not bench.client.hexists(parent, "defa")


@pytest.mark.parametrize(("policy", "kept"), [("idof", {"bull:q:a": "broken"}), ("rdof", {})])
def test_an_ignored_failure_counts_as_done(bench: Bench, base: str, policy: str, kept: dict[str, str]) -> None:
    parent = fail_child(bench, base, ("a", "b"), **{policy: True})
    assert bench.client.zscore(f"{base}waiting-children", "p")
    assert bench.client.hgetall(f"{parent}:failed") == kept
    bench.finish(bench.complete("b"))
    assert line(bench, base) == ["p"]


def test_without_a_policy_the_parent_waits_on(bench: Bench, base: str) -> None:
    parent = fail_child(bench, base)
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}
    assert bench.client.zscore(f"{base}waiting-children", "p")
    assert line(bench, base) == []


def test_without_a_policy_a_failed_child_that_is_not_kept_lets_go(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base)
    run_children(bench, "a")
    bench.finish(bench.fail("a", keep_count=0))
    assert not bench.client.exists(f"{parent}:dependencies")
    assert line(bench, base) == ["p"]


@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_child_that_was_cut_off_tells_nobody(bench: Bench, ending: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base="bull:other:", fpof=True)
    bench.client.delete(f"{parent}:dependencies")
    run_children(bench, "a")
    before = parents_side(bench)
    bench.finish(bench.complete("a") if ending == "completed" else bench.fail("a"))
    assert parents_side(bench) == before


@pytest.mark.parametrize("policy", [{}, {"fpof": True}, {"cpof": True}, {"idof": True}, {"rdof": True}])
@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_parent_that_is_gone_is_not_brought_back(bench: Bench, ending: str, policy: dict[str, bool]) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base="bull:other:", **policy)
    bench.client.delete(parent, f"{parent}:dependencies", "bull:other:waiting-children")
    run_children(bench, "a")
    bench.finish(bench.complete("a") if ending == "completed" else bench.fail("a"))
    assert parents_side(bench) == {}


def parents_side(bench: Bench) -> Keyspace:
    return {key: value for key, value in bench.dump().items() if key.startswith("bull:other:")}


def test_an_id_with_colons_is_told_from_its_queue_by_the_last_one(bench: Bench) -> None:
    adopt(bench, "my:prefix:other:p", ["a"])
    bench.client.hset("my:prefix:other:p", "name", "job")
    bench.client.zadd("my:prefix:other:waiting-children", {"p": NOW})
    run_children(bench, "a")
    bench.finish(bench.complete("a"))
    assert bench.client.lrange("my:prefix:other:wait", 0, -1) == ["p"]
    bench.client.delete(*bench.client.keys("my:*"))
