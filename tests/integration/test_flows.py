"""Flows: parents run when their children have ended, and know what became of them."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq import (
    Dependencies,
    FlowJob,
    Job,
    JobFailedError,
    JobLockedError,
    JobNotFoundError,
    JobOptions,
    Parent,
    ParentConflictError,
    ParentNotFoundError,
)
from tests.integration.bed import Bed, reaches
from tests.integration.family import family, leaf, states, tree, work
from tests.support.waiting import eventually

# ---- adding -------------------------------------------------------------------------------------------------------


async def test_a_parent_runs_after_its_children_and_reads_their_results(bed: Bed) -> None:
    node = await bed.producer().add(family(leaf("a", 1), leaf("b", [2], "other")))
    assert await states(node) == {"parent": "waiting-children", "a": "waiting", "b": "waiting"}
    bed.working(work)
    bed.working(work, "other")
    assert await node.job.result(timeout=5) == {f"{bed.prefix}:q:a": 1, f"{bed.prefix}:other:b": [2]}


async def test_three_levels_run_from_the_leaves_to_the_root(bed: Bed) -> None:
    order: list[str] = []

    async def note(job: Job[Any]) -> str:
        order.append(job.name)
        return job.name

    middle = [FlowJob(f"m{number}", "q", children=[FlowJob(f"l{number}", "p")]) for number in range(3)]
    node = await bed.producer().add(FlowJob("root", "p", children=middle))
    for queue in ("q", "p"):
        bed.working(note, queue, concurrency=2)
    assert await node.job.result(timeout=5) == "root"
    assert order[-1] == "root"
    assert all(order.index(f"l{number}") < order.index(f"m{number}") for number in range(3))


async def test_the_tree_that_is_returned_is_the_one_that_was_given(bed: Bed) -> None:
    flow = FlowJob("a", "q", 1, children=[FlowJob("b", "q", 2, children=[FlowJob("c", "p", 3)]), FlowJob("d", "q", 4)])
    node = await bed.producer().add(flow)
    b, d = node.children
    (c,) = b.children
    assert [(n.job.name, n.job.data, n.job.queue_name) for n in (node, b, c, d)] == [
        ("a", 1, "q"), ("b", 2, "q"), ("c", 3, "p"), ("d", 4, "q"),
    ]  # fmt: skip
    assert [n.job.parent_key for n in (node, b, c, d)] == [None, node.job.key, b.job.key, node.job.key]
    for found in (node, b, c, d):
        before = found.job.record
        await found.job.refresh()
        assert found.job.record == before


async def test_flows_that_are_added_together_come_back_in_order(bed: Bed) -> None:
    flows = [FlowJob("root", "q", number, children=[FlowJob("leaf", "q", number)]) for number in range(20)]
    nodes = await bed.producer().add_bulk(flows)
    assert [(node.job.data, node.children[0].job.data) for node in nodes] == [(number, number) for number in range(20)]
    bed.working(work, concurrency=5)
    assert [list((await node.job.result(timeout=5)).values()) for node in nodes] == [[number] for number in range(20)]


async def test_a_flow_without_children_is_a_job(bed: Bed) -> None:
    node = await bed.producer().add(FlowJob("alone", "q", options=JobOptions(priority=3)))
    assert (node.children, await node.job.get_state()) == ([], "prioritized")


async def test_each_queue_has_its_options_and_each_job_its_own_over_them(bed: Bed) -> None:
    flow = family(leaf("a"), leaf("b", attempts=7), leaf("c", None, "other"), priority=1)
    options = {"q": JobOptions(attempts=3, priority=2)}
    node = await bed.producer().add(flow, queue_options=options)
    jobs = [node.job, *(child.job for child in node.children)]
    assert [(job.options.attempts, job.priority) for job in jobs] == [(3, 1), (3, 2), (7, 2), (0, 0)]


async def test_jobs_of_one_flow_may_have_different_prefixes(bed: Bed) -> None:
    other = f"{bed.prefix}:elsewhere"
    flow = family(FlowJob("far", "q", 5, prefix=other))
    node = await bed.producer().add(flow)
    assert node.children[0].job.key.startswith(f"{other}:q:")
    bed.working(work)
    elsewhere = Bed(bed.url, other)
    elsewhere.working(work)
    assert await node.job.result(timeout=5) == {node.children[0].job.key: 5}
    found = await bed.producer().get_flow("parent", "q")
    assert found is not None
    assert found.children[0].job.key == node.children[0].job.key
    await elsewhere.close()


async def test_a_flow_hangs_under_a_job_that_is_there(bed: Bed) -> None:
    queue, producer = bed.queue(), bed.producer()
    top = (await producer.add(family(leaf("a", 1)))).job
    under = await producer.add(FlowJob("under", "q", options={"parent": top}, children=[FlowJob("leaf", "q", 2)]))
    by_name = await queue.add("by name", 3, parent=Parent(top.id, queue.qualified_name))
    bed.working(work)
    values = await top.result(timeout=5)
    assert values == {f"{bed.prefix}:q:a": 1, under.job.key: {under.children[0].job.key: 2}, by_name.key: 3}


async def test_a_flow_is_added_as_a_whole_or_not_at_all(bed: Bed) -> None:
    queue, producer = bed.queue(), bed.producer()
    await producer.add(FlowJob("first", "q", options={"job_id": "first"}, children=[leaf("taken")]))
    with pytest.raises(ParentConflictError, match=r"parent job .*:q:parent cannot be replaced. add_flow .*queue 'q'"):
        await producer.add(family(leaf("a"), leaf("taken")))
    missing = Parent("nobody", queue.qualified_name)
    with pytest.raises(ParentNotFoundError, match=r"Missing key for parent job .*:q:nobody"):
        await producer.add(family(leaf("b"), parent=missing))
    assert [await queue.get_job(job_id) for job_id in ("parent", "a", "b")] == [None] * 3
    assert await queue.get_job_counts("waiting", "waiting-children") == {"waiting": 1, "waiting-children": 1}


async def test_a_flow_that_is_refused_holds_up_no_other(bed: Bed) -> None:
    queue, producer = bed.queue(), bed.producer()
    refused = family(leaf("a"), parent=Parent("nobody", queue.qualified_name))
    with pytest.raises(ParentNotFoundError):
        await producer.add_bulk([FlowJob("first", "q"), refused, FlowJob("last", "q")])
    assert sorted(job.name for job in await queue.get_jobs()) == ["first", "last"]


async def test_a_flow_that_is_added_again_is_there_once(bed: Bed) -> None:
    producer = bed.producer()
    flow = family(leaf("a", 1), leaf("b", 2))
    await producer.add(flow)
    node = await producer.add(flow)
    assert (await bed.queue().get_job_counts("waiting", "waiting-children")) == {"waiting": 2, "waiting-children": 1}
    bed.working(work)
    assert await node.job.result(timeout=5) == {f"{bed.prefix}:q:a": 1, f"{bed.prefix}:q:b": 2}
    again = await producer.add(flow)
    assert set((await states(again)).values()) == {"completed"}


async def test_children_that_have_ended_already_count(bed: Bed) -> None:
    queue, producer = bed.queue(), bed.producer()
    done, broken = await queue.add("a", 1, job_id="a"), await queue.add("b", {"error": "no luck"}, job_id="b")
    bed.working(work)
    await reaches(done, "completed")
    await reaches(broken, "failed")
    good = await producer.add(FlowJob("good", "q", children=[leaf("a"), leaf("c", 3)]))
    assert await good.job.result(timeout=5) == {done.key: 1, f"{bed.prefix}:q:c": 3}
    bad = await producer.add(FlowJob("bad", "q", children=[leaf("b")]))
    with pytest.raises(JobFailedError, match=f"child {broken.key} failed"):
        await bad.job.result(timeout=5)


async def test_a_flow_of_thousands(bed: Bed) -> None:
    children = [FlowJob("leaf", "q", number) for number in range(3000)]
    node = await bed.producer().add(FlowJob("root", "q", children=children))
    assert await node.job.get_dependencies_count() == {"processed": 0, "unprocessed": 3000, "ignored": 0, "failed": 0}
    bed.working(work, concurrency=200)
    assert sorted((await node.job.result(timeout=20)).values()) == list(range(3000))


@pytest.mark.parametrize(("option", "state"), [({"delay": 3600}, "delayed"), ({"priority": 4}, "prioritized")])
async def test_delay_and_priority_of_a_parent_count_from_the_end_of_its_children(
    bed: Bed, option: dict[str, Any], state: str
) -> None:
    node = await bed.producer().add(family(leaf("a"), **option))
    assert await node.job.get_state() == "waiting-children"
    child = await bed.worker(work).get_next_job("t")
    assert child is not None
    await child.move_to_completed(1, "t", fetch_next=False)
    assert await node.job.get_state() == state


# ---- cutting ties ----------------------------------------------------------------------------------------------------


async def test_a_child_is_cut_off_its_parent(twin: Any) -> None:
    node = await twin.producer().add(family(leaf("a"), leaf("b")))
    a, b = (child.job for child in node.children)
    assert await a.remove_child_dependency()
    assert a.parent_key is None
    with pytest.raises(ParentNotFoundError):
        await a.remove_child_dependency()
    assert await node.job.get_state() == "waiting-children"
    assert await b.remove_child_dependency()
    assert await node.job.get_state() == "waiting"
    assert await a.get_state() == "waiting"
    await b.remove()
    with pytest.raises(JobNotFoundError):
        await b.remove_child_dependency()


async def test_children_that_have_not_begun_are_removed(twin: Any, bed: Bed) -> None:
    queue = twin.queue()
    node = await twin.producer().add(family(leaf("a"), leaf("b", delay=60), FlowJob("c", "q", children=[leaf("d")])))
    running = await bed.worker(work).get_next_job("t")
    assert running is not None
    await node.job.remove_unprocessed_children()
    assert (await node.job.get_dependencies()).unprocessed == [running.key]
    assert await queue.get_job_counts("waiting", "delayed", "waiting-children", "active") == {
        "waiting": 0, "delayed": 0, "waiting-children": 1, "active": 1,
    }  # fmt: skip


async def test_a_parent_is_removed_with_its_children_or_without(twin: Any, bed: Bed) -> None:
    queue, producer = twin.queue(), twin.producer()
    node = await producer.add(FlowJob("root", "q", children=[family(leaf("a"), leaf("b", None, "other"))]))
    await node.job.remove(remove_children=False)
    assert await queue.get_job_state("parent") == "waiting-children"
    running = await bed.worker(work).get_next_job("t")
    assert running is not None
    parent = node.children[0].job
    with pytest.raises(JobLockedError):
        await parent.remove()
    await running.move_to_completed(1, "t", fetch_next=False)
    await parent.remove()
    assert await queue.get_job("a") is None
    assert await twin.queue("other").count() == await queue.count() == 0


# ---- looking ---------------------------------------------------------------------------------------------------------


async def test_a_parent_knows_what_became_of_its_children(twin: Any, bed: Bed) -> None:
    node = await twin.producer().add(
        family(
            leaf("is-done", 1),
            leaf("is-ignored", {"error": "why not"}, ignore_dependency_on_failure=True),
            leaf("is-removed", {"error": "no"}, remove_dependency_on_failure=True),
            leaf("is-failed", {"error": "no luck"}),
            leaf("is-pending", delay=60),
            delay=3600,
        )
    )
    bed.working(work)
    parent = node.job
    await eventually(lambda: is_over(node.children[3].job))
    key = {child.job.id: child.job.key for child in node.children}
    assert await parent.get_dependencies() == Dependencies(
        processed={key["is-done"]: 1},
        unprocessed=[key["is-pending"]],
        ignored={key["is-ignored"]: "why not"},
        failed=[key["is-failed"]],
    )
    assert await parent.get_dependencies_count() == {"processed": 1, "unprocessed": 1, "ignored": 1, "failed": 1}
    assert await parent.get_children_values() == {key["is-done"]: 1}
    assert await parent.get_ignored_children_failures() == {key["is-ignored"]: "why not"}
    assert await parent.get_failed_children() == [key["is-failed"]]
    kinds = ("processed", "unprocessed", "ignored", "failed")
    pages = {kind: await parent.get_dependencies_page(kind) for kind in kinds}
    assert pages == {
        "processed": ({key["is-done"]: 1}, 0),
        "unprocessed": ({key["is-pending"]: None}, 0),
        "ignored": ({key["is-ignored"]: "why not"}, 0),
        "failed": ({key["is-failed"]: None}, 0),
    }


async def is_over(job: Any) -> bool:
    return await job.get_state() in ("completed", "failed")


async def test_pages_of_many_children_give_each_of_them(twin: Any) -> None:
    node = await twin.producer().add(FlowJob("root", "q", children=[FlowJob("leaf", "q") for _ in range(700)]))
    found: set[str] = set()
    cursor, pages = 0, 0
    while cursor or not pages:
        page, cursor = await node.job.get_dependencies_page("unprocessed", cursor, 100)
        found |= set(page)
        pages += 1
    assert found == {child.job.key for child in node.children}
    assert pages > 3


async def test_a_flow_is_read_as_deep_and_as_wide_as_asked(twin: Any) -> None:
    producer = twin.producer()
    flow = FlowJob("root", "q", options={"job_id": "root"}, children=[family(leaf("a"), leaf("b", None, "other"))])
    await producer.add(flow)

    async def names(**limits: int) -> dict[str, Any] | None:
        node = await producer.get_flow("root", "q", **limits)
        return None if node is None else tree(node)

    assert await names() == {"root": {"parent": {"a": {}, "b": {}}}}
    assert await names(depth=2) == {"root": {"parent": {}}}
    assert await names(depth=1) == {"root": {}}
    assert await producer.get_flow("nobody", "q") is None
    part = await producer.get_flow("parent", "q")
    assert part is not None
    assert tree(part) == {"parent": {"a": {}, "b": {}}}
