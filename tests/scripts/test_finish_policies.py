"""The script that ends runs: what a child's failure does to its parent, wherever that is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scripts.bench import NOW, PRIORITY, STEP, Bench, Keyspace, Options, adopt, flags, tree
from tests.scripts.relations import LATER, RELEASED, lay_parent, line

PLACES = [
    "waiting-children",
    "delayed",
    "wait",
    "paused",
    "prioritized",
    "active",
    "completed",
    "failed",
    "nowhere",
    "gone",
]
FAILED = "failed jobId=a failedReason=broken prev=active"
EXHAUSTED = "retries-exhausted jobId=a attemptsMade=1"

every_place = pytest.mark.parametrize("where", PLACES)


def lay(bench: Bench, base: str, where: str, *others: str, fields: Options | None = None, **policy: bool) -> str:
    """Have a parent somewhere and its child `a` running, with others; return the parent's key."""
    parent = lay_parent(bench, base, where, **(fields or {}))
    if where in ("nowhere", "gone"):
        bench.client.delete(base + where)
    if where == "gone":
        bench.client.delete(parent)
    adopt(bench, parent, ["a", *others], **policy)
    # Not with the others that are ready: the parent may be one of them.
    for job_id in ("a", *others):
        bench.client.lrem("bull:q:wait", 0, job_id)
        bench.client.lpush("bull:q:active", job_id)
    bench.client.hset(f"{base}meta", "opts.maxLenEvents", 10_000)
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 10_000)
    return parent


def fail(bench: Bench, job_id: str = "a", **fields: Any) -> None:
    assert bench.codes(bench.fail(job_id, token="0", reason="broken", **fields), now=LATER) == [0]


def place(bench: Bench, base: str, job_id: str = "p") -> str:
    """Return the container that holds an id; exactly one may."""
    found = [name for name in ("wait", "paused", "active") if job_id in line(bench, base, name)]
    sets = ("waiting-children", "delayed", "prioritized", "completed", "failed")
    found += [name for name in sets if bench.client.zscore(base + name, job_id) is not None]
    assert len(found) <= 1
    return found[0] if found else "nowhere"


@every_place
def test_fail_parent(bench: Bench, base: str, where: str) -> None:
    parent = lay(bench, base, where, "x", fpof=True)
    before, found = bench.client.hgetall(parent), place(bench, base)
    fail(bench)
    moves = where in ("waiting-children", "delayed")
    assert place(bench, base) == ("wait" if moves else found)
    told = {} if where in ("failed", "gone") else {"defa": "child bull:q:a failed"}
    assert bench.client.hgetall(parent) == {**before, **told}
    assert bench.client.zrange(f"{parent}:unsuccessful", 0, -1, withscores=True) == [("bull:q:a", LATER)]
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:x"}
    assert not bench.client.exists(f"{parent}:failed", f"{parent}:processed")
    own = [FAILED, EXHAUSTED]
    released = [RELEASED] if moves else []
    assert bench.events() == ([*released, *own] if base == "bull:q:" else own)
    assert base == "bull:q:" or bench.events(base) == released
    assert bench.client.exists(f"{base}marker") == moves


@every_place
def test_continue_parent(bench: Bench, base: str, where: str) -> None:
    parent = lay(bench, base, where, "x", cpof=True)
    before, found = bench.client.hgetall(parent), place(bench, base)
    fail(bench)
    moves = where == "waiting-children"
    assert place(bench, base) == ("wait" if moves else found)
    assert bench.client.hgetall(parent) == before
    assert bench.client.hgetall(f"{parent}:failed") == {"bull:q:a": "broken"}
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:x"}
    assert not bench.client.exists(f"{parent}:unsuccessful")
    assert (RELEASED in bench.events(base)) is moves


@pytest.mark.parametrize(("policy", "kept"), [("idof", {"bull:q:a": "broken"}), ("rdof", {})])
@pytest.mark.parametrize("others", [("x",), ()])
@every_place
def test_ignore_and_remove_dependency(
    bench: Bench, base: str, where: str, policy: str, kept: dict[str, str], others: tuple[str, ...]
) -> None:
    parent = lay(bench, base, where, *others, **flags(policy))
    before, found = bench.client.hgetall(parent), place(bench, base)
    fail(bench)
    moves = where == "waiting-children" and not others
    assert place(bench, base) == ("wait" if moves else found)
    assert bench.client.hgetall(parent) == before
    assert bench.client.hgetall(f"{parent}:failed") == kept
    assert bench.client.smembers(f"{parent}:dependencies") == {f"bull:q:{other}" for other in others}
    assert (RELEASED in bench.events(base)) is moves


@every_place
def test_no_policy(bench: Bench, base: str, where: str) -> None:
    parent = lay(bench, base, where, "x")
    before = {key: value for key, value in bench.dump("active").items() if key.startswith(parent)}
    found = place(bench, base)
    fail(bench)
    assert place(bench, base) == found
    assert {key: value for key, value in bench.dump("active").items() if key.startswith(parent)} == before
    assert bench.events() == [FAILED, EXHAUSTED]


@pytest.mark.parametrize("policy", ["fpof", "cpof", "idof", "rdof"])
@pytest.mark.parametrize(
    ("fields", "where", "score"),
    [
        ({"priority": 3}, "prioritized", 3 * PRIORITY + 1),
        ({"delay": 500}, "delayed", (LATER + 500) * STEP),
        ({"priority": 3, "delay": 500}, "delayed", (LATER + 500) * STEP),
    ],
)
def test_a_parent_that_is_released_goes_where_its_options_say(
    bench: Bench, base: str, policy: str, fields: Options, where: str, score: int
) -> None:
    lay(bench, base, "waiting-children", fields=fields, **flags(policy))
    fail(bench)
    assert place(bench, base) == where
    assert bench.client.zscore(base + where, "p") == score


@pytest.mark.parametrize(("delay", "due"), [(0, LATER), (500, LATER + 500)])
@pytest.mark.parametrize("policy", ["cpof", "idof", "rdof"])
def test_a_parent_that_expires_is_due_when_it_is_released(
    bench: Bench, base: str, policy: str, delay: int, due: int
) -> None:
    fields = {"opts": '{"expires":1000}', "delay": delay}
    parent = lay(bench, base, "waiting-children", fields=fields, **flags(policy))
    fail(bench)
    assert bench.client.hget(parent, "dueOn") == str(due)


@pytest.mark.parametrize("priority", [0, 3])
def test_a_delayed_parent_is_failed_without_delay(bench: Bench, base: str, priority: int) -> None:
    parent = lay(bench, base, "delayed", fields={"delay": 700, "priority": priority}, fpof=True)
    fail(bench)
    assert place(bench, base) == ("prioritized" if priority else "wait")
    assert bench.client.hget(parent, "delay") == "0"


@pytest.mark.parametrize("policy", ["fpof", "cpof", "idof", "rdof", ""])
@pytest.mark.parametrize("keep_count", [-1, 0])
def test_a_parent_in_a_paused_queue_wakes_nobody(bench: Bench, base: str, policy: str, keep_count: int) -> None:
    lay(bench, base, "waiting-children", **flags(policy))
    bench.client.hset(f"{base}meta", "paused", 1)
    fail(bench, keep_count=keep_count)
    assert not bench.client.exists(f"{base}marker")
    assert place(bench, base) == ("wait" if policy or keep_count == 0 else "waiting-children")


@pytest.mark.parametrize("policy", ["fpof", "cpof", "idof", "rdof", ""])
def test_a_child_that_is_not_kept_lets_go_once(bench: Bench, base: str, policy: str) -> None:
    parent = lay(bench, base, "waiting-children", **flags(policy))
    fail(bench, keep_count=0)
    assert place(bench, base) == "wait"
    assert bench.events(base).count(RELEASED) == 1
    assert not bench.client.exists(f"{parent}:dependencies", "bull:q:a")


def test_of_several_policies_the_strongest_counts(bench: Bench, base: str) -> None:
    """No client of oxmq writes this."""
    parent = lay(bench, base, "waiting-children", cpof=True, idof=True, fpof=True)
    fail(bench)
    assert bench.client.exists(f"{parent}:unsuccessful") == 1
    assert bench.client.exists(f"{parent}:failed") == 0


def test_a_record_that_cannot_be_read_has_no_policy_and_stops_nobody(bench: Bench) -> None:
    parent = lay(bench, "bull:q:", "waiting-children", "x", "y", "z", fpof=True)
    for job_id, damage in (("a", "{"), ("x", "[]"), ("y", "7")):
        bench.client.hset(f"bull:q:{job_id}", "parent", damage)
    bench.client.hdel("bull:q:z", "parent")
    assert bench.codes(*(bench.fail(job_id, token="0") for job_id in "axyz")) == [0] * 4
    assert bench.client.scard(f"{parent}:dependencies") == 4
    assert sorted(bench.scores("failed")) == ["a", "x", "y", "z"]


@pytest.mark.parametrize("policy", ["fpof", "cpof", "idof", "rdof"])
def test_children_of_one_batch_do_what_they_do_one_by_one(bench: Bench, base: str, policy: str) -> None:
    def lay_family() -> list[Any]:
        lay(bench, base, "waiting-children", "b", "c", "d", **flags(policy))
        return [bench.fail("a", token="0"), bench.complete("b", token="0"), bench.fail("c", token="0")]

    def found() -> tuple[list[str], list[str], Keyspace]:
        told = bench.events(), bench.events(base)
        bench.client.delete("bull:q:events", f"{base}events")
        return *told, bench.dump()

    bench.finish(*lay_family(), now=LATER)
    together = found()
    bench.client.flushall()
    for run in lay_family():
        bench.finish(run, now=LATER)
    assert found() == together


def test_failures_climb_to_the_root_a_level_at_a_time(bench: Bench) -> None:
    bench.add_tree(tree("root", tree("m", tree("leaf"), queue="other")))
    other = type(bench.keys)("other")
    assert bench.taken_ids() == ["leaf"]
    bench.finish(bench.fail("leaf"))
    assert bench.client.lrange("bull:other:wait", 0, -1) == ["m"]
    assert bench.client.hget("bull:other:m", "defa") == "child bull:q:leaf failed"
    bench.client.rpoplpush("bull:other:wait", "bull:other:active")
    own, bench.keys = bench.keys, other
    bench.finish(bench.fail("m", token="0"))
    bench.keys = own
    assert bench.in_line("wait") == ["root"]
    assert bench.hash("root")["defa"] == "child bull:other:m failed"


def test_jobs_that_are_each_others_parents_end_one_at_a_time(bench: Bench) -> None:
    """Only damaged data is like this; what matters is that nothing runs for ever."""
    for one, other in (("a", "b"), ("b", "a")):
        adopt(bench, f"bull:q:{one}", [other], fpof=True)
    bench.client.rename("bull:q:wait", "bull:q:active")
    bench.client.zadd("bull:q:waiting-children", {"x": NOW})
    assert bench.codes(bench.fail("a", token="0"), bench.fail("b", token="0")) == [0, 0]
    assert list(bench.scores("failed")) == ["a", "b"]
