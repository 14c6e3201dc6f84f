"""The script that removes the children of a job that have not begun."""

from __future__ import annotations

import pytest

from oxmq.errors import JobNotFoundError
from oxmq.ops import families
from oxmq.ops.flows import FlowJob
from tests.scripts.bench import Bench, adopt, make_flow, plain_hash, tree
from tests.scripts.relations import RELEASED, lay_parent, put


def remove(bench: Bench, job_id: str = "p") -> int:
    """Remove the children as the client does; return how many calls it took."""
    cursor: int | None = 0
    calls = 0
    while cursor is not None:
        cursor = bench.run(families.remove_unprocessed(bench.keys, job_id, cursor))
        calls += 1
        assert calls < 100
    return calls


def removed(job_id: str, where: str = "wait") -> str:
    return f"removed jobId={job_id} prev={where}"


def test_children_that_wait_go_and_leave_nothing(bench: Bench) -> None:
    bench.start("p")
    before = bench.dump("events")
    bench.add_tree(tree("p", tree("a"), tree("b", delay=5), tree("c", priority=2), tree("d", queue="other")))
    for stream in ("bull:q:events", "bull:other:events"):
        bench.client.delete(stream)
    remove(bench)
    after = bench.dump("events", "id", "pc", "marker")
    assert {key: value for key, value in after.items() if key.startswith("bull:q:")} == {
        key: value for key, value in before.items() if key not in ("bull:q:id", "bull:q:marker")
    }
    assert sorted(key for key in after if key.startswith("bull:other:")) == [
        "bull:other:events", "bull:other:id", "bull:other:marker", "bull:other:meta",
    ]  # fmt: skip
    assert bench.events() == [removed("a"), removed("b", "delayed"), removed("c", "prioritized")]
    assert bench.events("bull:other:") == [removed("d")]


def test_a_parent_that_waits_is_released(bench: Bench, base: str) -> None:
    make_flow(bench, "p", ["a", "b"], parent_base=base)
    call = families.remove_unprocessed(bench.keys if base == "bull:q:" else type(bench.keys)("other"), "p", 0)
    bench.run(call)
    assert bench.client.lrange(f"{base}wait", 0, -1) == ["p"]
    assert bench.events(base).count(RELEASED) == 1
    assert not bench.client.exists("bull:q:a", "bull:q:b", f"{base}waiting-children")


def test_children_that_run_or_have_ended_stay(bench: Bench) -> None:
    bench.start("p")
    ids = ["runs", "done", "plain", "passed", "broken"]
    policies = {"passed": {"idof": True}, "broken": {"fpof": True}}
    for job_id in ids:
        adopt(bench, "bull:q:p", [job_id], **policies.get(job_id, {}))
    assert bench.taken_ids(5) == ids
    bench.finish(bench.complete("done"), *(bench.fail(job_id) for job_id in ids[2:]))
    bench.forget_events()
    before = bench.dump()
    remove(bench)
    assert bench.dump() == before


def test_the_children_of_children_go_too(bench: Bench) -> None:
    bench.start("p")
    bench.add_tree(tree("p", tree("a", tree("b", tree("c"), tree("d", queue="other")))))
    bench.forget_events()
    remove(bench)
    assert not bench.client.exists("bull:q:a", "bull:q:b", "bull:q:c")
    assert not bench.client.exists("bull:other:d", "bull:q:waiting-children", "bull:q:p:dependencies")
    assert bench.client.exists("bull:q:p") == 1


def test_a_grandchild_that_runs_stays_alone(bench: Bench) -> None:
    bench.start("p")
    bench.add_tree(tree("p", tree("a", tree("b"))))
    assert bench.taken_ids() == ["b"]
    remove(bench)
    assert not bench.client.exists("bull:q:a", "bull:q:a:dependencies")
    assert bench.client.exists("bull:q:b", "bull:q:b:lock") == 2
    bench.finish(bench.complete("b"))
    assert not bench.client.exists("bull:q:a", "bull:q:a:processed")


def test_their_deduplication_ids_are_free_again(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    bench.client.hset("bull:q:dn:d", "name", "parked")
    remove(bench)
    assert not bench.client.exists("bull:q:de:d", "bull:q:dn:d")


def test_a_child_without_a_hash_is_forgotten(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    bench.client.delete("bull:q:a")
    remove(bench)
    assert not bench.client.exists("bull:q:p:dependencies")
    assert bench.in_line("wait") == ["p"]


def test_a_job_without_children_is_left_alone(bench: Bench) -> None:
    bench.add("p")
    before = bench.dump()
    remove(bench)
    remove(bench)
    assert bench.dump() == before


def test_a_job_that_is_gone_is_refused(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.client.delete(parent)
    before = bench.dump()
    with pytest.raises(JobNotFoundError, match=r"^Missing key for job p\. remove_unprocessed_children") as caught:
        remove(bench)
    assert caught.value.code == -1
    assert bench.dump() == before


# ---- large families: in pieces, none of which takes long -----------------------------------------------------------


@pytest.mark.parametrize(
    "family",
    [
        tree("p", *(tree(f"c{number}") for number in range(1_100))),
        tree("p", tree("a", *(tree(f"c{number}") for number in range(600)))),
        tree("p", *(tree(f"a{a}", *(tree(f"c{a}-{number}") for number in range(300))) for a in range(3))),
        tree("p", tree("a", tree("b", *(tree(f"c{number}", queue="other") for number in range(400))), tree("x"))),
    ],
    ids=["wide", "one level down", "several", "two levels down"],
)
def test_a_large_family_goes_in_pieces(bench: Bench, family: FlowJob) -> None:
    bench.start("p")
    bench.add_tree(family)
    bench.forget_events()
    assert remove(bench) > 1
    assert not bench.client.exists("bull:q:wait", "bull:other:wait", "bull:q:waiting-children", "bull:q:p:dependencies")
    assert sorted(bench.client.keys("bull:q:[abcx]*")) == ["bull:q:active"]
    assert bench.client.keys("bull:other:c*") == []


@pytest.mark.parametrize("depth", [0, 1])
def test_those_that_stay_hide_no_other(bench: Bench, depth: int) -> None:
    bench.start("p")
    ids = [f"c{number}" for number in range(700)]
    children = [tree(job_id) for job_id in ids]
    bench.add_tree(tree("p", *(children if depth == 0 else [tree("a", *children)])))
    for job_id in ids[::2]:
        bench.client.set(f"bull:q:{job_id}:lock", "t")
    remove(bench)
    assert bench.in_line("wait") == ids[::2]
    assert bench.client.scard("bull:q:p:dependencies") == (350 if depth == 0 else 0)
    assert bench.client.exists("bull:q:a", "bull:q:a:dependencies") == 0


def test_a_parent_of_many_is_released_once(bench: Bench) -> None:
    bench.add_tree(tree("p", *(tree(f"c{number}") for number in range(600))))
    remove(bench)
    assert bench.in_line("wait") == ["p"]
    assert bench.client.xlen("bull:q:events") == 2 + 3 * 600 + 1


# ---- damage: what matters is that nothing runs for ever, and that nobody else is harmed ----------------------------


@pytest.mark.parametrize("has_hashes", [True, False])
def test_relations_in_a_circle_come_to_an_end(bench: Bench, has_hashes: bool) -> None:
    circle = ["p", "a", "b", "c"]
    for job_id, child in zip(circle, [*circle[1:], "p"], strict=True):
        adopt(bench, f"bull:q:{job_id}", [child])
    if not has_hashes:
        bench.client.delete("bull:q:a", "bull:q:b", "bull:q:c")
    remove(bench)
    assert not bench.client.exists(*(f"bull:q:{job_id}" for job_id in "abc"))
    assert bench.client.exists("bull:q:p") == 1


def test_a_job_that_is_its_own_child_stays(bench: Bench) -> None:
    adopt(bench, "bull:q:p", ["p"])
    remove(bench)
    assert bench.client.exists("bull:q:p") == 1


def test_what_is_no_key_of_a_job_is_passed_over(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    bench.client.sadd("bull:q:p:dependencies", "nonsense")
    remove(bench)
    assert bench.client.smembers("bull:q:p:dependencies") == {"nonsense"}
    assert not bench.client.exists("bull:q:a")


def test_a_child_of_two_parents_is_taken_off_both(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    lay_parent(bench, "bull:q:", "active", "other")
    bench.client.sadd("bull:q:other:dependencies", "bull:q:a")
    remove(bench, "other")
    assert not bench.client.exists("bull:q:a", "bull:q:other:dependencies")
    # The other parent waits for a job that is gone: its own removal, or that of its children, lets it go.
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:a"}
    remove(bench)
    assert bench.in_line("wait") == ["p"]


def test_a_child_in_a_list_of_an_older_version_goes(bench: Bench) -> None:
    bench.client.hset("bull:q:p", mapping=plain_hash())
    bench.client.hset("bull:q:a", mapping=plain_hash(parentKey="bull:q:p"))
    bench.client.sadd("bull:q:p:dependencies", "bull:q:a")
    put(bench, "bull:q:", "paused", "a")
    remove(bench)
    assert bench.events() == [removed("a", "paused")]
    assert not bench.client.exists("bull:q:a", "bull:q:paused")
