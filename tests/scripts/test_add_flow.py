"""The script that adds flows: all jobs of one or none, each in its queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from oxmq.errors import ConfigurationError, ParentConflictError, ParentNotFoundError
from oxmq.keys import QueueKeys
from oxmq.ops import flows
from oxmq.ops.flows import Drafted, FlowJob
from oxmq.options import Parent
from oxmq.scripts import Retry
from tests.scripts.bench import (
    NOW,
    PRIORITY,
    STEP,
    Bench,
    Options,
    draft,
    draft_tree,
    flags,
    make_flow,
    plain_hash,
    tree,
)
from tests.scripts.relations import LATER, POLICIES, RELEASED, child, lay_child, lay_parent, line

Parts = list[Drafted[FlowJob]]


def under(parent: str, base: str = "bull:q:") -> dict[str, Any]:
    """Return the option that hangs a flow under a job."""
    return {"parent": Parent(parent, base[:-1])}


def test_a_flow_and_what_it_is_written_as(bench: Bench) -> None:
    ids = bench.add_tree(tree("p", tree("a", queue="other"), tree("b", delay=0.5), priority=3))
    assert ids == ["p", "a", "b"]
    relation = {"id": "p", "queueKey": "bull:q", "fpof": True}
    found = bench.dump("events", "bull:q:meta")
    for key, delay in (("bull:other:a", "0"), ("bull:q:b", "500")):
        written = bench.client.hgetall(key)
        assert json.loads(written.pop("parent")) == relation
        assert json.loads(written.pop("opts"))["fpof"] is True
        plain = plain_hash(parentKey="bull:q:p", delay=delay)
        assert written == {field: str(value) for field, value in plain.items() if field != "opts"}
        del found[key]
    written = bench.hash("p")
    assert json.loads(written.pop("opts")) == {"attempts": 0, "jobId": "p", "priority": 3}
    assert written == {"name": "job", "data": "{}", "timestamp": str(NOW), "delay": "0", "priority": "3"}
    del found["bull:q:p"], found["bull:other:events"]
    assert found == {
        "bull:other:id": "1",
        "bull:other:marker": [("0", 0)],
        "bull:other:meta": {"opts.maxLenEvents": "10000"},
        "bull:other:wait": ["a"],
        "bull:q:delayed": [("b", (NOW + 500) * STEP)],
        "bull:q:id": "2",
        "bull:q:marker": [("1", NOW + 500)],
        "bull:q:meta": {"opts.maxLenEvents": "10000"},
        "bull:q:p:dependencies": ["bull:other:a", "bull:q:b"],
        "bull:q:waiting-children": [("p", NOW)],
    }
    assert bench.events() == [
        "added jobId=p name=job", "waiting-children jobId=p",
        "added jobId=b name=job", f"delayed jobId=b delay={NOW + 500}",
    ]  # fmt: skip
    assert bench.events("bull:other:") == ["added jobId=a name=job", "waiting jobId=a"]


@pytest.mark.parametrize(("options", "policy"), POLICIES)
def test_each_child_has_its_policy(bench: Bench, options: Options, policy: Options) -> None:
    bench.add_tree(tree("p", tree("a", **options)))
    assert json.loads(bench.hash("a")["parent"]) == {"id": "p", "queueKey": "bull:q", **policy}


def test_a_tree_of_levels_waits_from_the_leaves_up(bench: Bench) -> None:
    bench.add_tree(tree("root", tree("left", tree("a"), tree("b")), tree("right", tree("c", queue="other"))))
    assert bench.scores("waiting-children") == {"root": NOW, "left": NOW, "right": NOW}
    assert bench.client.smembers("bull:q:root:dependencies") == {"bull:q:left", "bull:q:right"}
    assert bench.client.smembers("bull:q:left:dependencies") == {"bull:q:a", "bull:q:b"}
    assert bench.client.smembers("bull:q:right:dependencies") == {"bull:other:c"}
    assert bench.taken_ids(9) == ["a", "b"]
    bench.finish(bench.complete("a"), bench.complete("b"))
    assert bench.in_line("wait") == ["left"]


def test_a_parents_options_are_kept_for_later(bench: Bench) -> None:
    bench.add_tree(tree("p", tree("a"), delay=0.5, priority=2))
    assert bench.hash("p").items() >= {"delay": "500", "priority": "2"}.items()
    assert list(bench.scores("waiting-children")) == ["p"]
    assert not bench.client.exists("bull:q:delayed", "bull:q:prioritized")


def test_a_flow_without_children_is_a_job(bench: Bench) -> None:
    assert bench.add_tree(tree("p", priority=2)) == ["p"]
    assert bench.scores("prioritized") == {"p": 2 * PRIORITY + 1}


def test_a_paused_queue_is_not_woken(bench: Bench) -> None:
    bench.client.hset("bull:q:meta", "paused", 1)
    bench.add_tree(tree("p", tree("a"), tree("b", queue="other")))
    assert bench.marker() == {}
    assert bench.client.zscore("bull:other:marker", "0") == 0


def test_many_children_stay_in_order(bench: Bench) -> None:
    ids = [f"c{number:04}" for number in range(1_500)]
    bench.add_tree(tree("p", *(tree(job_id) for job_id in ids)))
    assert bench.in_line("wait") == ids
    assert bench.client.scard("bull:q:p:dependencies") == 1_500


def test_a_flow_hangs_under_a_job_that_exists(bench: Bench, base: str) -> None:
    parent = lay_parent(bench, base, job_id="top")
    bench.add_tree(tree("p", tree("a"), **under("top", base)))
    assert bench.client.smembers(f"{parent}:dependencies") == {"bull:q:p"}
    assert json.loads(bench.hash("p")["parent"]) == {"id": "top", "queueKey": base[:-1], "fpof": True}


def test_adding_a_flow_again_changes_nothing(bench: Bench) -> None:
    flow = tree("p", tree("m", tree("a"), tree("b", queue="other")), tree("c"))
    bench.add_tree(flow)
    before = bench.dump("events", "id")
    for stream in ("bull:q:events", "bull:other:events"):
        bench.client.delete(stream)
    assert bench.add_tree(flow) == ["p", "m", "c", "a", "b"]
    after = bench.dump("events", "id")
    assert after.pop("bull:other:events")
    assert after.pop("bull:other:id") == "2"
    before = {key: value for key, value in before.items() if key not in ("bull:other:events", "bull:other:id")}
    assert after == before
    assert bench.events() == [f"duplicated jobId={job_id}" for job_id in ("p", "m", "c", "a")]
    assert bench.events("bull:other:") == ["duplicated jobId=b"]


def test_adding_a_flow_may_be_repeated() -> None:
    assert flows.add_flow(draft_tree(tree("p", tree("a")))).retry is Retry.SAFE


# ---- jobs that exist -----------------------------------------------------------------------------------------------


def test_a_child_that_has_completed_does_not_release_its_parent_before_its_siblings_are_in(bench: Bench) -> None:
    lay_child(bench, "completed")
    bench.add_tree(tree("p", tree("a"), tree("b")), LATER)
    assert bench.client.hgetall("bull:q:p:processed") == {"bull:q:a": '"A"'}
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:b"}
    assert bench.scores("waiting-children") == {"p": LATER}
    assert bench.in_line("wait") == ["b"]
    assert RELEASED not in bench.events()


def test_a_parent_whose_children_have_all_completed_is_ready_at_once(bench: Bench) -> None:
    for job_id in ("a", "b"):
        lay_child(bench, "completed", job_id)
    bench.add_tree(tree("p", tree("a"), tree("b")), LATER)
    assert bench.in_line("wait") == ["p"]
    assert not bench.client.exists("bull:q:waiting-children", "bull:q:p:dependencies")
    assert bench.events() == [
        "added jobId=p name=job", "waiting-children jobId=p", "duplicated jobId=a", "duplicated jobId=b", RELEASED,
    ]  # fmt: skip
    assert bench.marker() == {"0": 0}


@pytest.mark.parametrize(("fields", "place"), [({"delay": 5}, "delayed"), ({"priority": 2}, "prioritized")])
def test_a_parent_that_is_ready_at_once_goes_where_its_options_say(bench: Bench, fields: Options, place: str) -> None:
    lay_child(bench, "completed")
    bench.add_tree(tree("p", tree("a"), **fields), LATER)
    assert list(bench.scores(place)) == ["p"]
    assert not bench.client.exists("bull:q:waiting-children")


@pytest.mark.parametrize("first", [True, False])
def test_a_child_that_has_failed_fails_its_parent_at_once(bench: Bench, first: bool) -> None:
    lay_child(bench, "failed")
    children = [tree("a"), tree("b")] if first else [tree("b"), tree("a")]
    bench.add_tree(tree("p", *children), LATER)
    assert bench.client.hget("bull:q:p", "defa") == "child bull:q:a failed"
    assert bench.client.zrange("bull:q:p:unsuccessful", 0, -1, withscores=True) == [("bull:q:a", LATER)]
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:b"}
    assert bench.in_line("wait") == ["p", "b"]
    assert bench.events()[-1] == RELEASED


@pytest.mark.parametrize(
    ("policy", "kept", "is_released"),
    [
        ("continue_parent_on_failure", {"bull:q:a": "broken"}, True),
        ("ignore_dependency_on_failure", {"bull:q:a": "broken"}, False),
        ("remove_dependency_on_failure", {}, False),
    ],
)
def test_a_child_that_has_failed_has_its_policy_applied_at_once(
    bench: Bench, policy: str, kept: dict[str, str], is_released: bool
) -> None:
    lay_child(bench, "failed")
    bench.add_tree(tree("p", tree("a", **flags(policy)), tree("b")), LATER)
    assert bench.client.hgetall("bull:q:p:failed") == kept
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:b"}
    assert ("p" in bench.in_line("wait")) is is_released
    assert ("p" in bench.scores("waiting-children")) is not is_released


@pytest.mark.parametrize("policy", [policy for policy, record in POLICIES if record])
def test_no_parent_waits_for_nothing_but_jobs_that_have_ended(bench: Bench, policy: Options) -> None:
    lay_child(bench, "completed", "a")
    lay_child(bench, "failed", "b")
    bench.add_tree(tree("p", tree("a", **policy), tree("b", **policy)), LATER)
    assert bench.in_line("wait") == ["p"]


@pytest.mark.parametrize("where", ["wait", "prioritized", "delayed", "active"])
def test_a_child_that_exists_is_waited_for(bench: Bench, where: str) -> None:
    lay_child(bench, where)
    bench.add_tree(tree("p", tree("a")))
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:a"}
    assert bench.scores("waiting-children") == {"p": NOW}


@pytest.mark.parametrize("where", ["wait", "active", "waiting-children", "completed"])
def test_a_parent_that_exists_stays_where_it_is_and_gets_the_children(bench: Bench, where: str) -> None:
    lay_parent(bench, "bull:q:", where)
    bench.client.hset("bull:q:meta", "opts.maxLenEvents", 10_000)
    before = bench.hash("p")
    bench.add_tree(tree("p", tree("a", queue="other")))
    assert bench.hash("p") == before
    assert "p" in (bench.in_line(where) if where in ("wait", "active") else bench.scores(where))
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:other:a"}
    assert bench.events() == ["duplicated jobId=p"]


def test_a_child_whose_parent_is_gone_is_taken_over(bench: Bench) -> None:
    old = make_flow(bench, "old", ["a"])
    bench.client.delete(old)
    bench.add_tree(tree("p", tree("a")))
    assert bench.hash("a")["parentKey"] == "bull:q:p"
    assert bench.client.smembers("bull:q:p:dependencies") == {"bull:q:a"}


# ---- all or none ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_used", [True, False])
def test_without_its_parent_no_job_of_a_flow_is_added(bench: Bench, base: str, is_used: bool) -> None:
    if is_used:
        bench.add("x")
    before = bench.dump()
    with pytest.raises(ParentNotFoundError, match=f"^Missing key for parent job {base}top") as caught:
        bench.add_tree(tree("p", tree("a"), tree("b", queue="other"), **under("top", base)))
    assert (caught.value.code, caught.value.job_id) == (-5, "p")
    assert bench.dump() == before


@pytest.mark.parametrize("where", ["wait", "active", "completed", "failed"])
@pytest.mark.parametrize("last", [True, False])
def test_with_anothers_child_no_job_of_a_flow_is_added(bench: Bench, base: str, where: str, last: bool) -> None:
    lay_child(bench, where)
    lay_parent(bench, base, job_id="old")
    bench.add_drafted(child(base=base, parent="old"))
    before = bench.dump()
    children = [tree("b"), tree("a")] if last else [tree("a"), tree("b")]
    with pytest.raises(ParentConflictError, match=r"^The parent job bull:q:p cannot be replaced") as caught:
        bench.add_tree(tree("p", *children))
    assert (caught.value.code, caught.value.job_id) == (-7, "a")
    assert bench.dump() == before


def test_a_root_that_belongs_to_another_parent_refuses_the_flow(bench: Bench) -> None:
    make_flow(bench, "old", ["p"])
    lay_parent(bench, "bull:q:", job_id="top")
    before = bench.dump()
    with pytest.raises(ParentConflictError) as caught:
        bench.add_tree(tree("p", tree("a"), **under("top")))
    assert caught.value.job_id == "p"
    assert bench.dump() == before


def joined(*roots: FlowJob) -> Parts:
    """Return several flows as one."""
    return [part for root in roots for part in draft_tree(root)]


def test_flows_that_are_added_together_are_refused_together(bench: Bench) -> None:
    with pytest.raises(ParentNotFoundError) as caught:
        bench.run(flows.add_flow(joined(tree("p", tree("a")), tree("r", tree("b"), **under("gone")))))
    assert caught.value.job_id == "r"
    assert bench.dump() == {}


def test_two_parents_that_are_added_together_cannot_share_a_child(bench: Bench) -> None:
    with pytest.raises(ParentConflictError, match=r"^The parent job bull:q:r cannot be replaced") as caught:
        bench.run(flows.add_flow(joined(tree("p", tree("a")), tree("r", tree("a")))))
    assert caught.value.job_id == "a"
    assert bench.dump() == {}


def test_a_job_of_a_flow_may_be_the_parent_of_another_that_is_added_with_it(bench: Bench) -> None:
    ids = bench.run(flows.add_flow(joined(tree("p", tree("a")), tree("r", tree("b"), **under("a")))))
    assert ids == ["p", "a", "r", "b"]
    assert bench.client.smembers("bull:q:a:dependencies") == {"bull:q:r"}


def test_a_child_before_its_parent_is_refused(bench: Bench) -> None:
    first, second = draft_tree(tree("p", tree("a")))
    with pytest.raises(ParentNotFoundError):
        bench.run(flows.add_flow([second, first]))
    assert bench.dump() == {}


def test_a_leaf_that_is_deduplicated_is_left_out(bench: Bench) -> None:
    """No client of oxmq asks for it, but the script knows what to do."""
    bench.add_drafted(draft("owner", deduplication="d"))
    (part,) = draft_tree(tree("a"))
    deduplicated = structs.replace(part, job=draft("a", deduplication="d"))
    assert bench.run(flows.add_flow([deduplicated])) == ["owner"]
    assert bench.events()[-1] == "deduplicated jobId=owner deduplicationId=d deduplicatedJobId=a"


# ---- what the client refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (tree("p", tree("a"), tree("a")), "two jobs of the flow have the id 'a' in queue 'q'"),
        (tree("p", tree("p")), "two jobs of the flow have the id 'p' in queue 'q'"),
        (tree("p", tree("a", deduplication="d")), "deduplication and parent cannot be used together"),
        (tree("p", tree("a"), deduplication="d"), "deduplication cannot be used for a job with children"),
        (
            tree("p", *(tree(f"c{number}") for number in range(flows.MAX_FLOW_JOBS))),
            f"a flow can have at most {flows.MAX_FLOW_JOBS} jobs",
        ),
    ],
)
def test_what_cannot_be_a_flow_is_refused_before_it_is_sent(flow: FlowJob, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        draft_tree(flow)


def test_one_id_in_two_queues_is_two_jobs(bench: Bench) -> None:
    assert bench.add_tree(tree("p", tree("a"), tree("a", queue="other"), tree("p", queue="other"))) == [
        "p",
        "a",
        "a",
        "p",
    ]
    assert bench.client.scard("bull:q:p:dependencies") == 3
    assert line(bench, "bull:other:") == ["a", "p"]


def test_every_queue_of_a_flow_gets_its_own_numbers(bench: Bench) -> None:
    bench.add_tree(tree("p", tree("a"), tree("b", queue="other")))
    assert [bench.client.get(f"{QueueKeys(name).base}id") for name in ("q", "other")] == ["2", "1"]
