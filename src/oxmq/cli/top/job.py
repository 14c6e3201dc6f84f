"""Show one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from oxmq.cli.job.view import job_view
from oxmq.cli.terminal.visible import visible_lines
from oxmq.cli.top.live_screen import LiveScreen
from oxmq.cli.top.pausing import ask
from oxmq.codec import instant
from oxmq.errors import JobNotFoundError
from oxmq.monitor.job import MAX_LINES, JobView, get_job_view, get_log_page
from oxmq.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedJob:
    """Hold a job and the newest lines of its log; no job when it is gone."""

    job: JobView | None
    lines: list[str]


class JobScreen(LiveScreen[LoggedJob]):
    """Show a job, as it goes on.

    Args:
        queue: the job's queue.
        job_id: its id.
    """

    AUTO_FOCUS = "#detail"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "run", "Retry")]

    def __init__(self, queue: str, job_id: str) -> None:
        super().__init__()
        self._queue = queue
        self._job_id = job_id

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        with VerticalScroll(id="detail"):
            yield Static(id="job")
        yield Static(id="status")
        yield Footer()

    async def read(self) -> LoggedJob:
        """Read the job and its log."""
        try:
            job = await get_job_view(self.site, self._queue, self._job_id)
        except JobNotFoundError:
            return LoggedJob(job=None, lines=[])
        if not job.logs_count:
            return LoggedJob(job=job, lines=[])
        page = await get_log_page(self.site, self._queue, self._job_id, start=max(0, job.logs_count - MAX_LINES))
        return LoggedJob(job=job, lines=page.lines)

    def show(self, view: LoggedJob) -> None:
        """Show the job."""
        detail = self.query_one("#job", Static)
        if view.job is None:
            detail.update(Text("This job is gone.", style="bold"))
            return
        parts: list[Any] = [job_view(view.job, instant(self.site.clock.now_ms()))]
        if view.lines:
            parts += [Text("\nlog", style="bold"), Text("\n".join(map(visible_lines, view.lines)))]
        detail.update(Group(*parts))

    def action_run(self) -> None:
        """Retry the job."""
        if self.view is not None and self.view.job is not None:
            ask_to_run(self, self._queue, self._job_id, self.view.job.state)


def ask_to_run(screen: LiveScreen[Any], queue: str, job_id: str, state: str) -> None:
    """Ask, and run a job again that has ended, or one now that is delayed."""

    async def retry() -> None:
        job = await screen.site.queue(queue).get_job(job_id)
        if job is not None:
            await (job.promote() if state == JobState.DELAYED else job.retry(state))

    if state in (JobState.FAILED, JobState.COMPLETED):
        ask(screen, f"Run {state} job {job_id} again?", retry)
    elif state == JobState.DELAYED:
        ask(screen, f"Run delayed job {job_id} now?", retry)
    else:
        screen.notify(f"a job that is {state} cannot be run again", severity="warning", markup=False)
