"""Show everything about one job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from oxmq.client.explanations import explain
from oxmq.errors import BackendError
from oxmq.monitor.calls import node_call, python_call
from oxmq.monitor.failures import count_similar
from oxmq.monitor.fingerprints import fault_of
from oxmq.monitor.job_changes import ENDED, find
from oxmq.monitor.job_options import shown_options
from oxmq.monitor.job_refs import JobRef, MaySee, read_ref, see_all
from oxmq.monitor.job_rows import MAX_NAME, JobRow, row_fields
from oxmq.monitor.payloads import decode, read_payload, shown_text
from oxmq.monitor.pod_run import PodRun, pod_run_of
from oxmq.monitor.site import Site
from oxmq.monitor.timeline import TimelineEntry, timeline_of
from oxmq.ops import jobs, remote_runs
from oxmq.ops.lookups import Found, get_parent_key
from oxmq.ops.queues import get_meta, read_meta
from oxmq.states import JobState

#: How much is shown of all stack traces together, of one, and of a reason, in characters.
_MAX_TRACES, _MAX_TRACE, _MAX_REASON = 192 * 1024, 16 * 1024, 16 * 1024
#: How many parents are passed at most on the way to the root of a flow.
MAX_PARENTS = 20
#: How many log lines a page has, how much is shown of each, and when a page is long enough, in characters.
MAX_LINES, MAX_LINE, _MAX_PAGE = 100, 8 * 1024, 192 * 1024
#: How large a progress value may be to be shown whole, in bytes.
_MAX_PROGRESS = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCounts:
    """Count a job's children: completed, not ended, failed so that the job fails, failed and not minded."""

    processed: int
    unprocessed: int
    failed: int
    ignored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Hold whether a worker holds an active job, and for how many seconds still if it does not renew its lock."""

    held: bool
    expires_in: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView(JobRow):
    """Hold everything about a job: what a row has, and more.

    Attributes:
        data: the payload, redacted; a text when it is no JSON, or too large.
        data_size: how many bytes it takes as it is stored.
        data_truncated: whether `data` is not all of it.
        options: the options it was added with, in the API's spelling.
        result: what it returned, redacted.
        result_truncated: whether `result` is not all of it.
        stacktrace: a stack trace for each attempt that failed, the oldest first.
        fingerprint: what the failures of its cause have in common; null when it has not failed.
        attempts_started: how often it was started.
        stalled_count: how often it was recovered from a worker that had lost it.
        timeline: what happened to it, as far as that is kept.
        why: why it is not running, what it waits for; null when it has ended.
        logs_count: how many log lines it has.
        children: how many children it has.
        flow_root: the job at the top of its flow; null when it has no parent.
        deduplication_id: what keeps others like it out of the queue.
        lock: whether a worker holds it; null when it is not active.
        stuck: whether it is active while no worker holds it.
        similar_failures: how many other failed jobs have its fingerprint, among the newest 1,000; null unless failed.
        python_call: Python that adds a job like it.
        node_call: JavaScript that does.
        run: where a pod runs it, or did last; null of a job that runs in a worker.
        version: which library set its queue up last, as ``library:version``.
    """

    data: Any  # whatever somebody stored, and so with the next three
    data_size: int
    data_truncated: bool
    options: dict[str, Any]
    result: Any
    result_truncated: bool
    stacktrace: list[str]
    fingerprint: str | None
    attempts_started: int
    stalled_count: int
    timeline: list[TimelineEntry]
    why: str | None
    logs_count: int
    children: ChildCounts
    flow_root: JobRef | None
    deduplication_id: str | None
    lock: Lock | None
    stuck: bool
    similar_failures: int | None
    python_call: str
    node_call: str
    run: PodRun | None
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Hold log lines of a job, the oldest first; `total` is how many there are, `cursor` where to go on."""

    lines: list[str]
    cursor: str | None
    total: int


async def get_job_view(site: Site, queue: str, job_id: str, *, may_see: MaySee = see_all) -> JobView:
    """Return everything about a job.

    Args:
        may_see: tells of which other jobs more than the id may be seen.

    Raises:
        JobNotFoundError: there is no such job.
    """
    found = await find(site, queue, job_id)
    fingerprint = fingerprint_of(found)
    why, similar, root, run, meta = await asyncio.gather(
        _why(site, queue, found, may_see),
        _similar(site, queue, found, fingerprint),
        find_root(site, found.record.parent_key),
        site.runner.run(remote_runs.get_run_state(site.keys(queue), found.record.id)),
        site.runner.run(get_meta(site.keys(queue))),
    )
    row: dict[str, Any] = {
        **row_fields(site, queue, found.record, found.state, found.due_ms),
        **_payload_fields(site, queue, found),
        "failed_reason": _cut(found.record.failed_reason, _MAX_REASON),
    }
    return JobView(
        **row,
        stacktrace=stack_traces(found.record.stacktrace),
        fingerprint=fingerprint,
        attempts_started=found.record.attempts_started,
        stalled_count=found.record.stalled_count,
        timeline=timeline_of(found, site.clock.now_ms()),
        why=why,
        logs_count=found.logs,
        children=child_counts(found),
        flow_root=root,
        deduplication_id=_cut(found.record.deduplication_id, MAX_NAME),
        lock=_lock(found),
        stuck=found.state == JobState.ACTIVE and found.lock_ms < 0,
        similar_failures=similar,
        run=pod_run_of(run, site.clock.now_ms()),
        version=read_meta(meta).version,
    )


async def get_log_page(site: Site, queue: str, job_id: str, *, start: int = 0, limit: int = MAX_LINES) -> LogPage:
    """Return log lines of a job, from the one of index `start` on. A line that is very long is cut.

    Raises:
        JobNotFoundError: there is no such job.
    """
    found = await find(site, queue, job_id)
    count = min(limit, MAX_LINES)
    rows = await site.runner.run(jobs.get_logs(site.keys(queue), job_id, start, start + count - 1, asc=True))
    lines: list[str] = []
    for row in rows:
        lines.append(shown_text(row, MAX_LINE))
        if sum(map(len, lines)) > _MAX_PAGE:
            break  # the next page goes on here
    following = start + len(lines)
    return LogPage(
        lines=lines,
        cursor=str(following) if rows and following < found.logs else None,
        total=found.logs,
    )


async def find_root(site: Site, parent_key: str | None) -> JobRef | None:
    """Return the job at the top of a flow, from the key of a parent in it; None when there is none.

    Jobs that are gone, and more than 20 parents above each other, end the way.
    """
    root = read_ref(parent_key, site.prefix)
    seen = {parent_key}
    for _ in range(MAX_PARENTS):
        above = None if root is None else await site.runner.run(get_parent_key(root.key))
        ref = read_ref(above, site.prefix)
        if ref is None or above in seen:
            break
        seen.add(above)
        root = ref
    return root


def fingerprint_of(found: Found) -> str | None:
    """Return what the failures of a failed job's cause have in common; None of a job that has not failed."""
    if found.state != JobState.FAILED:
        return None
    return fault_of(found.record.failed_reason, found.record.stacktrace).fingerprint


def child_counts(found: Found) -> ChildCounts:
    """Count a job's children."""
    return ChildCounts(
        processed=found.processed, unprocessed=found.unprocessed, failed=found.failed, ignored=found.ignored
    )


def stack_traces(stored: bytes | None) -> list[str]:
    """Return stack traces, the oldest first; where they are very many or long, the newest are kept."""
    try:
        traces = decode(stored or b"[]")
    except ValueError:
        traces = [(stored or b"").decode(errors="backslashreplace")]
    items = cast("Sequence[object]", traces) if isinstance(traces, list) else [traces]
    kept: list[str] = []
    left = _MAX_TRACES
    for trace in reversed(items):
        kept.append(shown_text(str(trace), min(_MAX_TRACE, left)))
        left -= len(kept[-1])
        if left <= 1:
            break
    return kept[::-1]


def _cut(text: str | None, most: int) -> str | None:
    return None if text is None else shown_text(text, most)


def _payload_fields(site: Site, queue: str, found: Found) -> dict[str, Any]:
    record = found.record
    data = read_payload(record.data, site.redact)
    result = read_payload(record.return_value, site.redact)
    name = shown_text(record.name, MAX_NAME)
    return {
        "progress": read_payload(record.progress, site.redact, _MAX_PROGRESS).value,
        "data": data.value,
        "data_size": data.size,
        "data_truncated": data.truncated,
        "options": shown_options(record.opts, site.redact),
        "result": result.value,
        "result_truncated": result.truncated,
        "python_call": python_call(queue, site.prefix, name, data, record.opts),
        "node_call": node_call(queue, site.prefix, name, data, record.opts, site.redact),
    }


def _lock(found: Found) -> Lock | None:
    if found.state != JobState.ACTIVE:
        return None
    held = found.lock_ms >= 0
    return Lock(held=held, expires_in=found.lock_ms / 1000 if held else None)


async def _why(site: Site, queue: str, found: Found, may_see: MaySee) -> str | None:
    if found.state in ENDED:
        return None
    if found.state == JobState.WAITING_CHILDREN and may_see is not see_all:
        # The full answer tells of children, which may be in queues that must not be seen.
        return f"Job {found.record.id} waits for its children: {found.unprocessed} have not ended."
    try:
        return await explain(site.context(queue), found.record.id)
    except (ValueError, BackendError):
        return None  # what is stored of it cannot be understood


async def _similar(site: Site, queue: str, found: Found, fingerprint: str | None) -> int | None:
    if fingerprint is None:
        return None
    return await count_similar(site, queue, found.record.id, fingerprint)
