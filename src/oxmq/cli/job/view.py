"""Show all that is known of one job: for `oxmq job show` and `oxmq top`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from oxmq.cli.terminal.tables import Cell, facts, state_text
from oxmq.cli.terminal.times import ago, clock_time, moment, span
from oxmq.cli.terminal.visible import visible, visible_lines
from oxmq.monitor.job import JobView


def job_view(job: JobView, now: datetime) -> Group:
    """Return what is known of a job, for people."""
    return Group(*_parts(job, now))


def _parts(job: JobView, now: datetime) -> Iterator[RenderableType]:
    yield Text.assemble((visible(job.name), "bold"), "  ", visible(job.id), "  ", state_text(job.state))
    if job.why:
        yield Text(visible_lines(job.why), style="yellow")
    yield Text("")
    yield facts([*_times(job, now), *_circumstances(job), *_family(job)])
    if job.timeline:
        yield from _section("timeline")
        yield facts(
            ("?" if step.at is None else clock_time(step.at), _step(step.text, step.duration)) for step in job.timeline
        )
    yield from _payloads(job)
    if job.failed_reason is not None:
        yield from _section("error")
        yield Text(visible_lines(job.failed_reason), style="red")
    if job.stacktrace:
        yield from _section(f"stack of the latest of {len(job.stacktrace)} failures")
        yield Text(visible_lines(job.stacktrace[-1].rstrip()))


def _times(job: JobView, now: datetime) -> list[tuple[str, Cell]]:
    instants = (("added", job.added_at), ("due", job.due_at), ("started", job.started_at), ("ended", job.finished_at))
    return [
        ("queue", job.queue),
        *((name, moment(instant, now)) for name, instant in instants if instant is not None),
        ("waited", None if job.wait_time is None else span(job.wait_time)),
        ("took", None if job.run_time is None else span(job.run_time)),
    ]


def _circumstances(job: JobView) -> list[tuple[str, Cell]]:
    return [
        ("attempts", f"{job.attempts_made} of {job.attempts_allowed} made, {job.attempts_started} started"),
        ("stalled", f"{job.stalled_count} times" if job.stalled_count else None),
        ("priority", str(job.priority) if job.priority else None),
        ("progress", _inline(job.progress) if job.progress else None),
        ("worker", job.worker),
        ("scheduler", job.scheduler),
        ("deduplication", job.deduplication_id),
        ("log lines", job.logs_count or None),
        ("similar failures", job.similar_failures or None),
    ]


def _family(job: JobView) -> list[tuple[str, Cell]]:
    children = job.children
    counted = (
        ("completed", children.processed), ("to come", children.unprocessed),
        ("failed", children.failed), ("ignored", children.ignored),
    )  # fmt: skip
    words = ", ".join(f"{count:,} {what}" for what, count in counted if count)
    parent = job.parent
    return [("children", words), ("parent", None if parent is None else f"{parent.id} in queue {parent.queue}")]


def _payloads(job: JobView) -> Iterator[RenderableType]:
    size = f"{job.data_size:,} bytes" + (", cut" if job.data_truncated else "")
    yield from _section(f"data ({size})")
    yield _json(job.data)
    if job.options:
        yield from _section("options")
        yield _json(job.options)
    if job.state == "completed":
        yield from _section(f"result{' (cut)' if job.result_truncated else ''}")
        yield _json(job.result)


def _section(title: str) -> Iterator[RenderableType]:
    yield Text(f"\n{title}", style="bold")


def _step(text: str, duration: float | None) -> str:
    return text if duration is None else f"{text} ({span(duration)})"


def _json(value: object) -> Text:
    return Text(visible_lines(json.dumps(value, indent=2, ensure_ascii=False, default=repr)))


def _inline(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def one_line(job: JobView, now: datetime) -> str:
    """Say in a line how a job is, for following it."""
    added = "" if job.added_at is None else f", added {ago(job.added_at, now)}"
    progress = f", progress {_inline(job.progress)}" if job.progress else ""
    return f"{clock_time(now)}  {job.state}{added}{progress}"
