"""The script that takes a job out of its queue: its children go with it, and its parent learns of it."""

from __future__ import annotations

import pytest

from oxmq.keys import QueueKeys
from oxmq.ops import jobs
from oxmq.ops.flows import FlowJob
from oxmq.ops.jobs import Removal
from tests.scripts.bench import NOW, Bench, adopt, flags, make_flow, plain_hash, tree
from tests.scripts.relations import RELEASED, lay_parent, put


def remove(bench: Bench, job_id: str = "p", queue: str = "q", *, children: bool = True) -> int:
    """Remove a job with as many calls as the client makes; return what the last of them said."""
    removal, calls = Removal.MORE, 0
    while removal is Removal.MORE:
        removal = bench.run(jobs.remove(QueueKeys(queue), job_id, children=children))
        calls += 1
        assert calls < 100
    return removal


def removed(job_id: str, where: str = "wait") -> str:
    return f"removed jobId={job_id} prev={where}"


FLOW = tree("p", tree("a", tree("c"), tree("d", queue="other")), tree("b", delay=5), priority=3)


def test_a_whole_flow_goes_and_leaves_nothing(bench: Bench) -> None:
    bench.add_tree(FLOW)
    for stream in ("bull:q:events", "bull:other:events"):
        bench.client.delete(stream)
    assert remove(bench) == 1
    left = {
        key for key in bench.client.keys("*") if key.rsplit(":", 1)[1] not in ("events", "id", "marker", "meta", "pc")
    }
    assert left == set()
    # A parent that loses its last child is let run before it goes itself.
    assert bench.events() == [
        "waiting jobId=a prev=waiting-children", removed("c"), removed("a"),
        RELEASED, removed("b", "delayed"), removed("p"),
    ]  # fmt: skip
    assert bench.events("bull:other:") == [removed("d")]


def test_children_stay_when_asked_to(bench: Bench) -> None:
    bench.add_tree(FLOW)
    bench.forget_events()
    assert remove(bench, children=False) == 1
    assert bench.events() == [removed("p", "waiting-children")]
    assert not bench.client.exists("bull:q:p", "bull:q:p:dependencies")
    assert bench.hash("a")["parentKey"] == "bull:q:p"
    bench.finish(*[bench.complete(job_id) for job_id in bench.taken_ids(9)])
    assert not bench.client.exists("bull:q:p", "bull:q:p:processed")


def test_children_that_have_ended_go_too(bench: Bench) -> None:
    bench.start("p")
    for job_id, policy in (("done", ""), ("passed", "idof"), ("broken", "fpof"), ("plain", "")):
        adopt(bench, "bull:q:p", [job_id], **flags(policy))
    assert bench.taken_ids(4) == ["done", "passed", "broken", "plain"]
    bench.finish(bench.complete("done"), *(bench.fail(job_id) for job_id in ("passed", "broken", "plain")))
    bench.finish(bench.fail("p"))
    bench.forget_events()
    assert remove(bench) == 1
    assert bench.dump("events", "id", "marker", "meta") == {}
    assert bench.events() == [
        removed("done", "completed"), removed("passed", "failed"), removed("broken", "failed"),
        removed("plain", "failed"), removed("p", "failed"),
    ]  # fmt: skip


@pytest.mark.parametrize("held", ["p", "a", "c", "d"])
def test_nothing_goes_while_a_worker_holds_one_of_them(bench: Bench, held: str) -> None:
    bench.add_tree(FLOW)
    base = "bull:other:" if held == "d" else "bull:q:"
    bench.client.set(f"{base}{held}:lock", "t", px=30_000)
    before = bench.dump()
    assert remove(bench) == 0
    assert bench.dump() == before


def test_without_its_children_only_its_own_lock_counts(bench: Bench) -> None:
    bench.add_tree(FLOW)
    bench.client.set("bull:q:c:lock", "t", px=30_000)
    assert remove(bench, children=False) == 1
    assert not bench.client.exists("bull:q:p")


def test_the_last_pending_child_that_goes_lets_its_parent_run(bench: Bench) -> None:
    bench.add_tree(FLOW)
    assert remove(bench, "a") == 1
    assert remove(bench, "b") == 1
    assert bench.in_line("wait") == ["p"]
    assert bench.events().count(RELEASED) == 1


def test_a_parent_in_another_queue_learns_of_it(bench: Bench) -> None:
    make_flow(bench, "p", ["a"], parent_base="bull:other:")
    assert remove(bench, "a") == 1
    assert bench.client.lrange("bull:other:wait", 0, -1) == ["p"]
    assert bench.events("bull:other:") == [RELEASED]


def test_a_child_that_was_cut_off_leaves_its_parent_alone(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"])
    bench.client.delete(f"{parent}:dependencies")
    remove(bench, "a")
    assert list(bench.scores("waiting-children")) == ["p"]


def test_a_parent_that_is_gone_is_not_brought_back(bench: Bench) -> None:
    parent = make_flow(bench, "p", ["a"], parent_base="bull:other:")
    bench.client.delete(parent)
    before = {key: value for key, value in bench.dump().items() if key.startswith("bull:other:")}
    remove(bench, "a")
    assert {key: value for key, value in bench.dump().items() if key.startswith("bull:other:")} == before


def test_deduplication_ids_of_children_are_free_again(bench: Bench) -> None:
    make_flow(bench, "p", ["a"])
    bench.client.hset("bull:q:a", "deid", "d")
    bench.client.set("bull:q:de:d", "a")
    bench.client.hset("bull:q:dn:d", "name", "parked")
    remove(bench)
    assert not bench.client.exists("bull:q:de:d", "bull:q:dn:d")


def test_an_id_with_colons_is_removed_under_its_whole_name(bench: Bench) -> None:
    job_id = "report:2026:1"
    bench.add(job_id, "x")
    assert remove(bench, job_id) == 1
    assert bench.in_line("wait") == ["x"]
    assert not bench.client.exists(bench.keys.job(job_id))


def test_a_chain_of_a_thousand_goes_in_one_call(bench: Bench) -> None:
    for number in range(1_000):
        adopt(bench, f"bull:q:j{number}", [f"j{number + 1}"])
    bench.client.hset("bull:q:j0", mapping=plain_hash())
    bench.client.lpush("bull:q:wait", "j0")
    assert remove(bench, "j0") == 1
    assert bench.client.keys("bull:q:j*") == []
    assert not bench.client.exists("bull:q:wait")


# ---- large families: in pieces, none of which takes long -----------------------------------------------------------

LARGE = [
    tree("p", *(tree(f"c{number}") for number in range(1_100))),
    tree("p", tree("a", *(tree(f"c{number}") for number in range(600)))),
    tree("p", *(tree(f"a{a}", *(tree(f"c{a}-{number}") for number in range(300))) for a in range(3))),
    tree("p", tree("a", tree("b", *(tree(f"c{number}", queue="other") for number in range(400))), tree("x"))),
]
every_large_family = pytest.mark.parametrize("family", LARGE, ids=["wide", "one level", "several", "two levels"])


def left(bench: Bench) -> list[str]:
    """Return what is left of the jobs of any queue."""
    own = ("events", "id", "marker", "meta")
    return [key for key in bench.client.keys("*") if key.rsplit(":", 1)[1] not in own]


@every_large_family
def test_a_large_family_goes_in_pieces(bench: Bench, family: FlowJob) -> None:
    ids = bench.add_tree(family)
    first = bench.run(jobs.remove(bench.keys, "p"))
    assert first is Removal.MORE
    assert bench.client.exists("bull:q:p") == 1
    assert remove(bench) == 1
    assert left(bench) == []
    told = [event for base in ("bull:q:", "bull:other:") for event in bench.events(base) if event.startswith("removed")]
    assert sorted(event.split()[1] for event in told) == sorted(f"jobId={job_id}" for job_id in ids)


@every_large_family
def test_a_large_family_that_has_ended_goes_in_pieces(bench: Bench, family: FlowJob) -> None:
    bench.add_tree(family)
    for base in ("bull:q:", "bull:other:"):
        for key in bench.client.keys(f"{base}*:dependencies"):
            parent = key.removesuffix(":dependencies")
            for child_key in bench.client.smembers(key):
                bench.client.hset(f"{parent}:processed", child_key, "1")
            bench.client.delete(key)
    assert remove(bench) == 1
    assert left(bench) == []


def test_a_large_family_half_of_which_has_ended_goes_in_pieces(bench: Bench) -> None:
    bench.add("p")
    parent_key = bench.keys.job("p")
    bench.client.zadd(bench.of("waiting-children"), {"p": NOW})
    bench.client.lrem(bench.of("wait"), 0, "p")
    for number in range(600):
        bench.client.hset(bench.of(f"c{number}"), mapping={"name": "c", "data": "{}", "parentKey": parent_key})
    for number in range(300):
        bench.client.lpush(bench.of("wait"), f"c{number}")
        bench.client.sadd(f"{parent_key}:dependencies", bench.of(f"c{number}"))
    for number in range(300, 600):
        bench.client.zadd(bench.of("completed"), {f"c{number}": NOW})
        bench.client.hset(f"{parent_key}:processed", bench.of(f"c{number}"), "1")
    answers = [bench.run(jobs.remove(bench.keys, "p")) for _ in range(3)]
    assert answers == [Removal.MORE, Removal.MORE, Removal.DONE]
    assert set(bench.dump("events", "meta", "marker")) == {bench.of("id")}


def test_a_large_family_of_which_one_runs_is_found_out_on_the_way(bench: Bench) -> None:
    """Not before the first is removed: to ask so many would take too long."""
    bench.add_tree(tree("p", *(tree(f"c{number:04}") for number in range(2_000))))
    bench.client.set("bull:q:c1999:lock", "t")
    assert remove(bench) == 0
    assert bench.client.exists("bull:q:p", "bull:q:c1999") == 2
    bench.client.delete("bull:q:c1999:lock")
    assert remove(bench) == 1
    assert left(bench) == []


# ---- damage: what matters is that nothing runs for ever ------------------------------------------------------------


@pytest.mark.parametrize("part", ["dependencies", "processed", "failed", "unsuccessful"])
@pytest.mark.parametrize("has_hashes", [True, False])
def test_relations_in_a_circle_come_to_an_end(bench: Bench, part: str, has_hashes: bool) -> None:
    circle = ["p", "a", "b"]
    for job_id, child in zip(circle, [*circle[1:], "p"], strict=True):
        adopt(bench, f"bull:q:{job_id}", [child])
        bench.client.delete(f"bull:q:{job_id}:dependencies")
        link(bench, f"bull:q:{job_id}:{part}", f"bull:q:{child}")
    if not has_hashes:
        bench.client.delete("bull:q:a", "bull:q:b")
    assert remove(bench) == 1
    assert bench.client.keys("bull:q:[pab]") == []
    assert not bench.client.exists("bull:q:wait")


def link(bench: Bench, key: str, child_key: str) -> None:
    if key.endswith(":dependencies"):
        bench.client.sadd(key, child_key)
    elif key.endswith(":unsuccessful"):
        bench.client.zadd(key, {child_key: 1})
    else:
        bench.client.hset(key, child_key, "1")


@pytest.mark.parametrize("part", ["dependencies", "processed", "failed", "unsuccessful"])
def test_what_is_no_key_of_a_job_is_passed_over(bench: Bench, part: str) -> None:
    lay_parent(bench, "bull:q:", "wait")
    link(bench, f"bull:q:p:{part}", "nonsense")
    bench.client.hset("bull:q:a", mapping=plain_hash())
    put(bench, "bull:q:", "wait", "a")
    link(bench, f"bull:q:p:{part}", "bull:q:a")
    assert remove(bench) == 1
    assert bench.dump("events", "meta") == {}
