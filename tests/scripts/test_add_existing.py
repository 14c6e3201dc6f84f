"""The script that adds jobs: an id that exists becomes a child of the parent given now."""

from __future__ import annotations

import json

import pytest

from oxmq.errors import ParentConflictError
from oxmq.ops import jobs
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench, Options, draft, flags, make_flow
from tests.scripts.relations import LATER, POLICIES, RELEASED, child, lay_child, lay_parent, line


@pytest.mark.parametrize("where", ["wait", "prioritized", "delayed", "active"])
def test_a_job_that_has_not_ended_becomes_a_child(bench: Bench, base: str, where: str) -> None:
    lay_child(bench, where)
    parent = lay_parent(bench, base)
    before, job = bench.dump("a", "id"), bench.hash("a")
    assert bench.add_drafted(child(base=base, priority=5)) == ["a"]
    assert bench.dump("a", "id", "events") == before | {f"{parent}:dependencies": ["bull:q:a"]}
    became = bench.hash("a")
    assert json.loads(became.pop("parent")) == {"id": "p", "queueKey": base[:-1], "fpof": True}
    assert became == job | {"parentKey": parent}
    assert bench.events() == ["duplicated jobId=a"]


@pytest.mark.parametrize("where", ["waiting-children", "active"])
def test_one_that_has_completed_counts_at_once(bench: Bench, base: str, where: str) -> None:
    lay_child(bench, "completed")
    parent = lay_parent(bench, base, where)
    assert bench.add_drafted(child(base=base)) == ["a"]
    assert bench.client.hgetall(f"{parent}:processed") == {"bull:q:a": '"A"'}
    assert not bench.client.exists(f"{parent}:dependencies")
    assert bench.hash("a")["parentKey"] == parent
    assert line(bench, base) == (["p"] if where == "waiting-children" else [])
    released = [RELEASED] if where == "waiting-children" else []
    assert bench.events(base) == (released if base != "bull:q:" else [*released, "duplicated jobId=a"])


def test_a_parent_with_other_children_waits_on(bench: Bench, base: str) -> None:
    lay_child(bench, "completed")
    parent = lay_parent(bench, base)
    bench.client.sadd(f"{parent}:dependencies", "bull:q:x")
    bench.add_drafted(child(base=base))
    assert bench.client.zscore(f"{base}waiting-children", "p") == NOW
    assert bench.client.hgetall(f"{parent}:processed") == {"bull:q:a": '"A"'}


@pytest.mark.parametrize(("fields", "place", "score"), [
    ({"delay": 500}, "delayed", (LATER + 500) * STEP), ({"priority": 3}, "prioritized", 3 * PRIORITY + 1),
])  # fmt: skip
@pytest.mark.parametrize("ending", ["completed", "failed"])
def test_a_parent_that_is_released_goes_where_its_options_say(
    bench: Bench, base: str, ending: str, fields: Options, place: str, score: int
) -> None:
    lay_child(bench, ending)
    lay_parent(bench, base, **fields)
    bench.add_drafted(child(base=base, ignore_dependency_on_failure=True))
    assert bench.client.zscore(base + place, "p") == score


def test_a_result_that_is_lost_reads_as_none(bench: Bench) -> None:
    lay_child(bench, "completed")
    bench.client.hdel("bull:q:a", "returnvalue")
    parent = lay_parent(bench, "bull:q:")
    bench.add_drafted(child())
    assert bench.client.hgetall(f"{parent}:processed") == {"bull:q:a": "null"}


def test_a_reason_that_is_lost_reads_as_an_empty_one(bench: Bench) -> None:
    lay_child(bench, "failed")
    bench.client.hdel("bull:q:a", "failedReason")
    parent = lay_parent(bench, "bull:q:")
    bench.add_drafted(child(continue_parent_on_failure=True))
    assert bench.client.hgetall(f"{parent}:failed") == {"bull:q:a": ""}


@pytest.mark.parametrize(
    "where", ["waiting-children", "delayed", "wait", "prioritized", "active", "completed", "failed"]
)
def test_one_that_has_failed_fails_its_parent_at_once(bench: Bench, base: str, where: str) -> None:
    lay_child(bench, "failed")
    parent = lay_parent(bench, base, where, delay=700 if where == "delayed" else 0)
    bench.add_drafted(child(base=base, fail_parent_on_failure=True))
    assert bench.client.zrange(f"{parent}:unsuccessful", 0, -1, withscores=True) == [("bull:q:a", LATER)]
    assert not bench.client.exists(f"{parent}:dependencies")
    assert bench.client.hget(parent, "defa") == (None if where == "failed" else "child bull:q:a failed")
    if where in ("waiting-children", "delayed"):
        assert line(bench, base) == ["p"]
        assert bench.client.hget(parent, "delay") == "0"
        assert not bench.client.exists(base + where)
        assert bench.events(base)[0] == RELEASED
    else:
        assert RELEASED not in bench.events(base)


def test_one_that_has_failed_lets_its_parent_go_on_at_once(bench: Bench, base: str) -> None:
    lay_child(bench, "failed")
    parent = lay_parent(bench, base)
    bench.client.sadd(f"{parent}:dependencies", "bull:q:x")
    bench.add_drafted(child(base=base, continue_parent_on_failure=True))
    assert bench.client.hgetall(f"{parent}:failed") == {"bull:q:a": "broken"}
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:x"}
    assert line(bench, base) == ["p"]
    assert not bench.client.hexists(parent, "defa")


@pytest.mark.parametrize(("policy", "kept"), [("ignore", {"bull:q:a": "broken"}), ("remove", {})])
@pytest.mark.parametrize("others", [True, False])
def test_one_that_has_failed_is_passed_over_at_once(
    bench: Bench, base: str, policy: str, kept: dict[str, str], others: bool
) -> None:
    lay_child(bench, "failed")
    parent = lay_parent(bench, base)
    if others:
        bench.client.sadd(f"{parent}:dependencies", "bull:q:x")
    bench.add_drafted(child(base=base, **flags(f"{policy}_dependency_on_failure")))
    assert bench.client.hgetall(f"{parent}:failed") == kept
    assert bench.client.scard(f"{parent}:dependencies") == others
    assert line(bench, base) == ([] if others else ["p"])


def test_one_that_has_failed_without_a_policy_is_waited_for(bench: Bench, base: str) -> None:
    lay_child(bench, "failed")
    parent = lay_parent(bench, base)
    bench.add_drafted(child(base=base, fail_parent_on_failure=False))
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}
    assert bench.client.zscore(f"{base}waiting-children", "p") == NOW


@pytest.mark.parametrize("where", ["wait", "active", "completed", "failed"])
@pytest.mark.parametrize("policy", [policy for policy, _ in POLICIES if policy])
def test_repeating_an_add_changes_nothing(bench: Bench, base: str, where: str, policy: Options) -> None:
    lay_child(bench, where)
    lay_parent(bench, base)
    bench.add_drafted(child(base=base, **policy))
    before = bench.dump("events", "id")
    bench.forget_events()
    assert bench.add_drafted(child(base=base, **policy)) == ["a"]
    assert bench.dump("events", "id") == before
    assert bench.events() == ["duplicated jobId=a"]


def test_a_child_of_a_parent_that_is_gone_gets_another(bench: Bench, base: str) -> None:
    old = make_flow(bench, "old", ["a"], fpof=True)
    bench.client.delete(old)
    parent = lay_parent(bench, base)
    assert bench.add_drafted(child(base=base, ignore_dependency_on_failure=True)) == ["a"]
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}
    assert bench.hash("a")["parentKey"] == parent
    assert json.loads(bench.hash("a")["parent"]) == {"id": "p", "queueKey": base[:-1], "idof": True}


@pytest.mark.parametrize("where", ["wait", "active", "completed", "failed"])
def test_a_child_of_a_living_parent_is_refused_to_another(bench: Bench, base: str, where: str) -> None:
    lay_child(bench, where)
    lay_parent(bench, "bull:q:", job_id="old")
    bench.add_drafted(child(parent="old"))
    lay_parent(bench, base)
    before = bench.dump("id")
    with pytest.raises(ParentConflictError, match=rf"^The parent job {base}p cannot be replaced\. add ") as caught:
        bench.run(jobs.add(bench.keys, child(base=base)))
    assert (caught.value.code, caught.value.job_id) == (-7, "a")
    # As with BullMQ, a number is taken.
    assert bench.dump("id") == before
    assert bench.client.get("bull:q:id") == "3"


def test_one_that_is_refused_to_another_parent_holds_up_nobody(bench: Bench) -> None:
    lay_parent(bench, "bull:q:", job_id="old")
    bench.add_drafted(child("x", parent="old"))
    lay_parent(bench, "bull:q:")
    given = [draft(), child("x"), child(""), child("y", parent="gone"), draft()]
    assert bench.add_drafted(*given) == ["2", -7, "4", -5, "5"]
    assert bench.in_line("wait") == ["x", "2", "4", "5"]
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:4"}


def test_without_a_parent_a_child_keeps_its_own(bench: Bench, base: str) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base=base, idof=True)
    before = bench.dump()
    assert bench.add_drafted(draft("a")) == ["a"]
    assert bench.dump("events", "id", "meta") == before
    assert bench.hash("a")["parentKey"] == parent


def test_an_id_twice_in_one_bulk_is_one_child(bench: Bench, base: str) -> None:
    parent = lay_parent(bench, base)
    assert bench.add_drafted(child(base=base), draft("a"), child(base=base)) == ["a"] * 3
    assert bench.in_line("wait") == ["a"]
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:a"}
    assert bench.events() == ["added jobId=a name=job", "waiting jobId=a"] + ["duplicated jobId=a"] * 2


def test_an_id_twice_in_one_bulk_belongs_to_the_first_parent(bench: Bench) -> None:
    lay_parent(bench, "bull:q:")
    lay_parent(bench, "bull:other:")
    assert bench.add_drafted(draft("a"), child(base="bull:q:"), child(base="bull:other:")) == ["a", "a", -7]
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:a"}
    assert not bench.client.exists("bull:other:p:dependencies")


def test_a_paused_parents_queue_is_not_woken(bench: Bench) -> None:
    lay_child(bench, "completed")
    lay_parent(bench, "bull:other:")
    bench.client.hset("bull:other:meta", "paused", 1)
    bench.add_drafted(child(base="bull:other:"))
    assert line(bench, "bull:other:") == ["p"]
    assert not bench.client.exists("bull:other:marker")
