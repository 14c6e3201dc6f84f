"""Show a flow as a graph: parents, their children, and how all of them are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from oxmq.errors import ConfigurationError
from oxmq.monitor.job import ChildCounts, child_counts, find_root
from oxmq.monitor.job_changes import find
from oxmq.monitor.job_refs import JobRef, MaySee, read_ref, see_all
from oxmq.monitor.job_rows import MAX_NAME, row_fields
from oxmq.monitor.site import Site
from oxmq.ops import families
from oxmq.ops.lookups import Found, look_up
from oxmq.records import ChildKind

#: How many jobs a flow is shown with, and how many levels of children, at most.
MAX_NODES, MAX_DEPTH = 500, 10
#: How many children of one job are shown in a flow.
_MAX_CHILDREN = 250
#: How many jobs are read at the same time.
_TOGETHER = 100
#: What takes more bytes is not read of a job in a flow, and how far lists are searched for it.
_MOST, _REACH = 64 * 1024, 2_000
_KINDS: tuple[ChildKind, ...] = get_args(ChildKind)
#: More than any cursor of a scan.
_MAX_CURSOR = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowNode:
    """Hold a job of a flow.

    Attributes:
        key: stands for the job in `Flow.edges`, and nowhere else.
        prefix: with what the keys of its queue begin; of another prefix than the site's, nothing can be done with it.
        visible: whether more than its name in the keyspace may be seen; if not, the rest is empty.
        state: its state; ``"gone"`` when there is no such job any more, ``"hidden"`` when it may not be seen.
        depth: how many parents are above it, up to the root.
        more: how many children it has that are not shown.
    """

    key: str
    queue: str
    id: str
    prefix: str
    visible: bool
    name: str
    state: str
    progress: Any  # whatever its worker reported
    run_time: float | None
    added_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    failed_reason: str | None
    data_preview: str
    depth: int
    child_counts: ChildCounts
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Hold a flow.

    Attributes:
        root: the job at its top.
        nodes: its jobs, level by level.
        edges: each leads ``from`` a parent ``to`` a child, by their keys.
        truncated: whether there are jobs that are not shown.
    """

    root: JobRef
    nodes: list[FlowNode]
    edges: list[dict[str, str]]
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """Hold a child of a job; of one that may not be seen, name and state are null."""

    key: str
    queue: str
    id: str
    prefix: str
    name: str | None
    state: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPage:
    """Hold some of the children of a job, in no particular order; `cursor` is where to go on."""

    children: list[Child]
    cursor: str | None
    total: int


async def get_flow(
    site: Site,
    queue: str,
    job_id: str,
    *,
    depth: int = MAX_DEPTH,
    limit: int = MAX_NODES,
    may_see: MaySee = see_all,
    whole: bool = True,
) -> Flow:
    """Return the flow that a job belongs to.

    Args:
        depth: how many levels of children, at most 10.
        limit: how many jobs, at most 500.
        may_see: tells of which jobs more than the id may be seen.
        whole: begin with the job at the top of the flow, if that may be seen; else with the one given.

    Raises:
        JobNotFoundError: there is no such job.
    """
    here = JobRef(queue=queue, id=job_id, prefix=site.prefix)
    above = (await find(site, queue, job_id)).record.parent_key
    top = await find_root(site, above) if whole else None
    # Below a job that may not be seen, nothing could be shown at all.
    root = top if top is not None and may_see(top) else here
    walk = _Walk(site, may_see, min(limit, MAX_NODES))
    level: list[JobRef] = [root]
    for at in range(min(depth, MAX_DEPTH) + 1):
        level = await walk.add_level(level, at, last=at == min(depth, MAX_DEPTH))
        if not level:
            break
    return Flow(root=root, nodes=walk.nodes, edges=walk.edges, truncated=any(node.more for node in walk.nodes))


async def get_children(
    site: Site,
    queue: str,
    job_id: str,
    kind: ChildKind,
    *,
    cursor: str | None = None,
    limit: int = 50,
    may_see: MaySee = see_all,
) -> ChildPage:
    """Return some children of a job that are ``processed``, ``unprocessed``, ``ignored`` or ``failed``.

    Raises:
        JobNotFoundError: there is no such job.
        ConfigurationError: the cursor is not one.
    """
    found = await find(site, queue, job_id)
    call = families.get_page(site.keys(queue).job(job_id), kind, _scan_cursor(cursor), limit)
    stored, following = await site.runner.run(call)
    refs = [ref for key in stored if (ref := read_ref(key, site.prefix)) is not None]
    jobs = await _look_at(site, refs, may_see)
    return ChildPage(
        children=[_child(ref, job, may_see(ref)) for ref, job in zip(refs, jobs, strict=True)],
        cursor=str(following) if following else None,
        total=getattr(found, kind),
    )


class _Walk:
    """Go through a flow level by level, and each job once."""

    def __init__(self, site: Site, may_see: MaySee, limit: int) -> None:
        self.nodes: list[FlowNode] = []
        self.edges: list[dict[str, str]] = []
        self._site = site
        self._may_see = may_see
        self._limit = limit
        self._seen: set[str] = set()

    async def add_level(self, refs: Sequence[JobRef], depth: int, *, last: bool) -> list[JobRef]:
        """Add the jobs of a level; return those of the next one, each of which has its edge already."""
        self._seen |= {ref.key for ref in refs}
        jobs = await _look_at(self._site, refs, self._may_see)
        below: list[JobRef] = []
        for ref, job in zip(refs, jobs, strict=True):
            # What has been promised to the level below counts, too.
            room = 0 if last else min(_MAX_CHILDREN, self._limit - len(self._seen))
            children = await self._children(ref, job, room)
            below += children
            self._seen |= {child.key for child in children}
            self.edges += [{"from": ref.key, "to": child.key} for child in children]
            self.nodes.append(_node(self._site, ref, job, depth, len(children), self._may_see(ref)))
        return below

    async def _children(self, ref: JobRef, job: Found | None, room: int) -> list[JobRef]:
        if job is None or room <= 0:
            return []
        counts = {kind: int(getattr(job, kind)) for kind in _KINDS}
        kinds: list[ChildKind] = [kind for kind in _KINDS if counts[kind]]
        run = self._site.runner.run
        pages = await asyncio.gather(*(run(families.get_page(ref.key, kind, 0, room)) for kind in kinds))
        # What needs somebody's attention comes first: what failed, then what has not ended.
        order = sorted(zip(kinds, pages, strict=True), key=lambda item: _KINDS[::-1].index(item[0]))
        keys = dict.fromkeys(key for _, (page, _) in order for key in page)
        found = [child for key in keys if (child := read_ref(key, self._site.prefix)) is not None]
        return [child for child in found if child.key not in self._seen][:room]


async def _look_at(site: Site, refs: Sequence[JobRef], may_see: MaySee) -> list[Found | None]:
    """Read jobs, those that may be seen, in few round trips."""
    found: list[Found | None] = []
    for start in range(0, len(refs), _TOGETHER):
        batch = refs[start : start + _TOGETHER]
        found += await asyncio.gather(*(_look_at_one(site, ref, may_see) for ref in batch))
    return found


async def _look_at_one(site: Site, ref: JobRef, may_see: MaySee) -> Found | None:
    if not may_see(ref):
        return None
    return await site.runner.run(look_up(ref.keys, ref.id, most=_MOST, reach=_REACH))


def _node(site: Site, ref: JobRef, job: Found | None, depth: int, shown: int, visible: bool) -> FlowNode:
    base: dict[str, Any] = {"key": ref.key, "queue": ref.queue, "id": ref.id, "prefix": ref.prefix, "depth": depth}
    if job is None:
        return FlowNode(
            **base,
            visible=visible,
            name="",
            state="gone" if visible else "hidden",
            progress=None,
            run_time=None,
            added_at=None,
            started_at=None,
            finished_at=None,
            failed_reason=None,
            data_preview="",
            child_counts=ChildCounts(processed=0, unprocessed=0, failed=0, ignored=0),
            more=0,
        )
    row = row_fields(site, ref.queue, job.record, job.state, job.due_ms)
    fields = ("name", "state", "progress", "run_time", "added_at", "started_at", "finished_at", "failed_reason")
    total = sum(getattr(job, kind) for kind in _KINDS)
    return FlowNode(
        **base,
        **{field: row[field] for field in fields},
        visible=True,
        data_preview=row["data_preview"],
        child_counts=child_counts(job),
        more=max(0, total - shown),
    )


def _child(ref: JobRef, job: Found | None, visible: bool) -> Child:
    return Child(
        key=ref.key,
        queue=ref.queue,
        id=ref.id,
        prefix=ref.prefix,
        name=None if job is None else job.record.name[:MAX_NAME],
        state=job.state if job is not None else "gone" if visible else None,
    )


def _scan_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or int(cursor[:30]) >= _MAX_CURSOR:
        raise ConfigurationError("cursor must be the one of the page before")
    return int(cursor)
