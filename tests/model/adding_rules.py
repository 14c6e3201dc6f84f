"""Add jobs: plain ones, under parents, with a deduplication id, and flows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec import structs

from oxmq.ops import flows, jobs
from oxmq.ops.call import Call
from oxmq.ops.flows import Drafted
from oxmq.ops.jobs import NewJob
from tests.model import adding
from tests.model.draft import Draft
from tests.model.machine import Machine, any_job, bases, custom_ids, needs, which
from tests.model.queue import World


@dataclass(frozen=True)
class Options:
    """Hold what a job is added with."""

    job_id: str
    delay: int
    priority: int
    next_up: bool
    backdated: int


plain_options = st.builds(
    Options,
    job_id=st.one_of(st.just(""), custom_ids),
    delay=st.sampled_from([0, 0, 0, 1, 1, 5, 1_000, 60_000]),
    priority=st.sampled_from([0, 0, 0, 1, 2, 2_097_151]),
    next_up=st.booleans(),
    backdated=st.sampled_from([0, 0, 0, 1, 1_000]),
)


@dataclass(frozen=True)
class Tree:
    """Hold a job of a flow, and its children, each with what its failure does."""

    base: str
    options: Options
    children: list[tuple[Tree, str]]


policies = st.sampled_from(["fpof", "fpof", "cpof", "idof", "rdof", ""])
leaves = st.builds(Tree, bases, plain_options, st.just([]))
trees = st.recursive(
    leaves,
    lambda below: st.builds(Tree, bases, plain_options, st.lists(st.tuples(below, policies), min_size=1, max_size=3)),
    max_leaves=4,
).filter(lambda tree: bool(tree.children))


class AddingRules(Machine):
    """Add jobs."""

    made = 0

    @rule(base=bases, several=st.lists(plain_options, min_size=1, max_size=4))
    def add(self, base: str, several: list[Options]) -> None:
        self._add(base, [self._draft(options) for options in several])

    @needs(any_job)
    @rule(base=bases, parents_base=bases, number=which, options=plain_options, policy=policies, existing=st.booleans())
    def add_child(
        self, base: str, parents_base: str, number: int, options: Options, policy: str, existing: bool
    ) -> None:
        ended = [*self.queue(base).completed, *self.queue(base).failed]
        if existing and ended:
            options = replace(options, job_id=ended[number % len(ended)])
        parents_base = self.busiest(parents_base, lambda queue: queue.jobs)
        queue = self.queue(parents_base)
        parent = parents_base + self.pick(parents_base, number, queue.active or queue.waiting_children or queue.jobs)
        if not is_ancestor(self.world, base + options.job_id, parent):
            self._add(base, [self._draft(options, parent=parent, policy=policy)])

    @rule(tree=trees, under=st.one_of(st.none(), st.none(), st.none(), st.tuples(bases, which)))
    def add_flow(self, tree: Tree, under: tuple[str, int] | None) -> None:
        parent = ""
        if under:
            queue = self.queue(under[0])
            parent = under[0] + self.pick(under[0], under[1], queue.active or queue.jobs)
        nodes = self._nodes(tree, parent, "fpof")
        named = [(base, draft.job_id) for base, draft in nodes]
        if len(set(named)) < len(named) or any(
            is_ancestor(self.world, base + job_id, parent) for base, job_id in named
        ):
            return
        if self._makes_circle(nodes):
            return
        flow = [Drafted(draft, self.keys(base), new_job(draft), []) for base, draft in nodes]
        self.both(
            lambda: adding.add_flow(self.world, [(self.queue(base), draft) for base, draft in nodes]),
            flows.add_flow(flow),
        )

    def _nodes(self, tree: Tree, parent: str, policy: str) -> list[tuple[str, Draft]]:
        self.made += 1
        job_id = tree.options.job_id or f"f{self.made}"
        draft = self._draft(
            replace(tree.options, job_id=job_id),
            parent=parent,
            policy=policy if parent else "",
            has_children=bool(tree.children),
        )
        below = [self._nodes(child, tree.base + job_id, child_policy) for child, child_policy in tree.children]
        return [(tree.base, draft), *(node for nodes in below for node in nodes)]

    def _makes_circle(self, nodes: list[tuple[str, Draft]]) -> bool:
        """Tell whether a job of a flow that exists already is above the parent that the flow gives it."""
        return any(draft.parent and is_ancestor(self.world, base + draft.job_id, draft.parent) for base, draft in nodes)

    def _draft(self, options: Options, **relations: Any) -> Draft:
        opts: dict[str, Any] = {"delay": options.delay, "priority": options.priority, "lifo": options.next_up}
        if "deduplication" in relations:
            opts["de"] = relations["deduplication"]
        return Draft(
            options.job_id, "job", "{}", json.dumps(opts), self.now - options.backdated,
            options.delay, options.priority, options.next_up, **relations,
        )  # fmt: skip

    def _add(self, base: str, drafts: list[Draft]) -> None:
        self.both(
            lambda: adding.add(self.queue(base), drafts),
            raw(jobs.add_bulk(self.keys(base), [new_job(draft) for draft in drafts])),
            _ids_or_codes,
        )


def _ids_or_codes(reply: list[bytes | int]) -> list[str | int]:
    return [item if isinstance(item, int) else item.decode() for item in reply]


def raw(call: Call[Any]) -> Call[list[bytes | int]]:
    """Return a call whose result is the reply as it is: of a bulk that is refused in part, too."""
    return structs.replace(call, decode=list)


def new_job(draft: Draft) -> NewJob:
    relations: dict[str, object] = {"children": True} if draft.has_children else {}
    if draft.parent:
        relations |= {"parentKey": draft.parent, "parent": draft.parent_record}
    if draft.deduplication:
        relations["de"] = draft.deduplication
    return NewJob(
        draft.job_id, draft.name, draft.data.encode(), draft.opts.encode(), draft.timestamp,
        draft.delay, draft.priority, draft.next_up, json.dumps(relations).encode() if relations else b"",
    )  # fmt: skip


def is_ancestor(world: World, job_key: str, other_key: str) -> bool:
    """Tell whether a job is another one, or above it: nobody could wait for both of them."""
    seen: set[str] = set()
    while other_key and other_key not in seen:
        if job_key == other_key:
            return True
        seen.add(other_key)
        above = world.job(other_key)
        other_key = above.fields.get("parentKey", "") if above else ""
    return False
