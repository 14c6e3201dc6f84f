"""Say in one row what a job is: for `oxmq job list` and `oxmq top`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from oxmq.cli.terminal.tables import Cell, Column, state_text
from oxmq.cli.terminal.times import ago, span
from oxmq.monitor.job_rows import JobRow

COLUMNS: Final = (
    Column(title="id"),
    Column(title="name"),
    Column(title="state", least=100),
    Column(title="added", right=True),
    Column(title="tries", right=True, least=80),
    Column(title="took", right=True, least=110),
    Column(title="progress", right=True, least=130),
    Column(title="data or error", wide=True, least=60),
)


def job_cells(job: JobRow, now: datetime) -> tuple[Cell, ...]:
    """Return the cells for `COLUMNS`."""
    return (
        job.id,
        job.name,
        state_text(job.state),
        None if job.added_at is None else ago(job.added_at, now),
        f"{job.attempts_made}/{job.attempts_allowed}",
        None if job.run_time is None else span(job.run_time),
        _progress(job.progress),
        job.failed_reason if job.failed_reason is not None and job.state == "failed" else job.data_preview,
    )


def _progress(progress: object) -> str:
    if isinstance(progress, int | float) and not isinstance(progress, bool):
        return f"{progress:g} %" if progress else ""
    return "" if progress is None else "..."
