"""Flows as graphs, pages of children, and what of them may be seen."""

from __future__ import annotations

from typing import Any

from oxmq import FlowJob, FlowNode
from tests.web.jobs import path, start, write
from tests.web.serving import Web


def flow(*children: FlowJob, name: str = "report", queue: str = "reports") -> FlowJob:
    return FlowJob(name, queue, {"secret": "hush", "n": 1}, children=children)


async def add(web: Web, root: FlowJob) -> FlowNode:
    return await web.bed.producer().add(root)


def shape(found: Any) -> dict[str, Any]:
    """Return a flow as the names of the children of each name."""
    names = {node["key"]: node["name"] for node in found["nodes"]}
    below: dict[str, list[str]] = {name: [] for name in names.values()}
    for edge in found["edges"]:
        below[names[edge["from"]]].append(names[edge["to"]])
    return {name: sorted(children) for name, children in below.items()}


async def test_a_flow_across_queues_is_shown_from_its_top(web: Web) -> None:
    node = await add(web, flow(flow(flow(name="leaf"), name="a", queue="email"), flow(name="b")))
    leaf = node.children[0].children[0].job
    found = await web.get(path(leaf.id, "reports") + "/flow")
    assert shape(found) == {"report": ["a", "b"], "a": ["leaf"], "leaf": [], "b": []}
    assert (found["root"]["queue"], found["root"]["id"], found["truncated"]) == ("reports", node.job.id, False)
    top = found["nodes"][0]
    assert (top["state"], top["depth"], top["more"], top["visible"]) == ("waiting-children", 0, 0, True)
    assert top["child_counts"] == {"processed": 0, "unprocessed": 2, "failed": 0, "ignored": 0}
    assert top["data_preview"] == '{"secret":"[redacted]","n":1}'
    assert sorted(node["depth"] for node in found["nodes"]) == [0, 1, 1, 2]
    here = await web.get(path(node.children[0].job.id, "email") + "/flow", whole="false")
    assert shape(here) == {"a": ["leaf"], "leaf": []}
    view = await web.get(path(leaf.id, "reports"))
    assert view["flow_root"] == {"queue": "reports", "id": node.job.id, "prefix": web.bed.prefix}
    assert view["parent"]["queue"] == "email"


async def test_children_of_all_kinds_are_shown(web: Web) -> None:
    parent = await web.bed.queue("reports").add("report", {}, delay=60)
    queue = web.bed.queue("email")
    for name in ("done", "failed", "ignored", "waiting"):
        policy: dict[str, Any] = {
            "ignored": {"ignore_dependency_on_failure": True},
            "failed": {"fail_parent_on_failure": True},
        }
        await queue.add(name, {}, parent=parent, **policy.get(name, {}))
        if name != "waiting":
            job = await start(web)
            if name == "done":
                await job.move_to_completed({"token": "x"}, "token")
            else:
                await job.move_to_failed(ValueError(name), "token")
    counts = (await web.get(path(parent.id, "reports")))["children"]
    assert counts == {"processed": 1, "unprocessed": 1, "failed": 1, "ignored": 1}
    found = await web.get(path(parent.id, "reports") + "/flow")
    states = {node["name"]: node["state"] for node in found["nodes"][1:]}
    assert states == {"done": "completed", "failed": "failed", "ignored": "failed", "waiting": "waiting"}
    for kind, name in (("processed", "done"), ("unprocessed", "waiting"), ("failed", "failed"), ("ignored", "ignored")):
        page = await web.get(path(parent.id, "reports") + "/children", kind=kind)
        assert [(child["name"], child["queue"]) for child in page["children"]] == [(name, "email")]
        assert (page["total"], page["cursor"]) == (1, None)


async def test_a_large_flow_is_cut_and_says_so(web: Web) -> None:
    node = await add(web, flow(*(flow(name=f"child {number}") for number in range(260))))
    found = await web.get(path(node.job.id, "reports") + "/flow")
    assert (len(found["nodes"]), found["truncated"]) == (251, True)
    assert found["nodes"][0]["more"] == 10
    few = await web.get(path(node.job.id, "reports") + "/flow", limit=5)
    assert (len(few["nodes"]), len(few["edges"]), few["nodes"][0]["more"]) == (5, 4, 256)
    alone = await web.get(path(node.job.id, "reports") + "/flow", depth=0)
    assert (len(alone["nodes"]), alone["nodes"][0]["more"]) == (1, 260)
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        more: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        page = await web.get(path(node.job.id, "reports") + "/children", limit=100, **more)
        seen |= {child["name"] for child in page["children"]}
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == 260


async def test_a_flow_is_ten_levels_deep_at_most(web: Web) -> None:
    root = flow(name="level 14")
    for level in reversed(range(14)):
        root = flow(root, name=f"level {level}")
    node = await add(web, root)
    found = await web.get(path(node.job.id, "reports") + "/flow")
    assert (len(found["nodes"]), found["nodes"][-1]["more"], found["truncated"]) == (11, 1, True)


async def test_circles_and_what_is_gone_do_no_harm(web: Web, redis_client: Any) -> None:
    prefix = web.bed.prefix
    write(web, redis_client, "a", parentKey=f"{prefix}:email:b")
    write(web, redis_client, "b", parentKey=f"{prefix}:email:a")
    for parent, children in {
        "a": [f"{prefix}:email:b", f"{prefix}:email:a", "no key", f"{prefix}:email:gone", f"{prefix}:email:x:y:z"],
        "b": [f"{prefix}:email:a"],
    }.items():
        redis_client.sadd(f"{prefix}:email:{parent}:dependencies", *children)
    found = await web.get(path("a") + "/flow")
    states = {node["id"]: node["state"] for node in found["nodes"]}
    assert states == {"a": "waiting", "b": "waiting", "gone": "gone", "x:y:z": "gone"}
    assert (await web.get(path("a")))["flow_root"]["id"] in ("a", "b")
    assert len((await web.get(path("a") + "/children"))["children"]) == 4


async def test_children_under_another_prefix(web: Web, redis_client: Any) -> None:
    prefix = web.bed.prefix
    write(web, redis_client, "a")
    redis_client.hset(f"{prefix}:x:other:1", mapping={"name": "far", "data": "{}", "timestamp": 1})
    redis_client.sadd(f"{prefix}:email:a:dependencies", f"{prefix}y:other:1")
    found = await web.get(path("a") + "/flow")
    far = found["nodes"][1]
    assert (far["prefix"], far["queue"], far["id"], far["state"]) == (f"{prefix}y", "other", "1", "gone")


async def test_jobs_of_other_queues_are_only_ids_for_some(guarded_web: Web) -> None:
    node = await add(guarded_web, flow(flow(flow(name="hidden too"), name="seen", queue="email"), name="hidden"))
    seen = node.children[0].job
    client = guarded_web.as_("only-email")
    found = (await client.get(path(seen.id) + "/flow")).json()
    assert [(node["name"], node["state"], node["data_preview"] != "") for node in found["nodes"]] == [
        ("seen", "waiting-children", True), ("", "hidden", False),
    ]  # fmt: skip
    page = (await client.get(path(seen.id) + "/children")).json()
    assert [(child["name"], child["state"], child["queue"]) for child in page["children"]] == [(None, None, "reports")]
    assert "hidden too" not in (await client.get(path(seen.id))).json()["why"]


async def test_parameters_are_checked(web: Web) -> None:
    job = await web.bed.queue("email").add("send")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("/flow", {"depth": 11}), ("/flow", {"limit": 501}), ("/flow", {"colour": "red"}),
        ("/children", {"kind": "lost"}), ("/children", {"cursor": "x"}), ("/children", {"cursor": "9" * 40}),
        ("/children", {"limit": 101}),
    ]  # fmt: skip
    for suffix, params in wrong:
        await web.get(path(job.id) + suffix, 422, **params)
