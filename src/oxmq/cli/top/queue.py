"""Show the jobs of a queue, one state at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import DataTable, Footer, Input, Static

from oxmq.cli.job.rows import COLUMNS, job_cells
from oxmq.cli.terminal.tables import STATE_STYLES, Cell
from oxmq.cli.terminal.visible import visible
from oxmq.cli.top.job import JobScreen, ask_to_run
from oxmq.cli.top.live_screen import LiveScreen
from oxmq.cli.top.live_table import LiveTable
from oxmq.cli.top.pausing import ask_to_pause
from oxmq.monitor.job_rows import JobRow
from oxmq.monitor.jobs_page import JobPage, get_jobs_page

STATES: Final = tuple(STATE_STYLES)
#: How many jobs are shown: one page of the read model.
_MOST: Final = 100
#: On a terminal of fewer columns only so many letters of an id are shown.
_ROOM_FOR_IDS: Final = 110
_SHORT_ID: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsView:
    """Hold what the screen shows: how many jobs are in which state, and some of those of one state."""

    counts: dict[str, int]
    paused: bool
    state: str
    page: JobPage


class QueueScreen(LiveScreen[JobsView]):
    """Show the jobs of one queue.

    Args:
        name: the queue.
        counts: how many jobs were in which state when it was chosen: the first state that has any is shown first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause"),
        Binding("r", "run", "Retry"),
        Binding("s", "sort", "Order"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("left", "state(-1)", "State", key_display="← →", priority=True),
        Binding("right", "state(1)", "Next state", show=False, priority=True),
        Binding("escape", "leave", "Back"),
        *(Binding(str(at + 1), f"choose({at})", state, show=False) for at, state in enumerate(STATES)),
    ]

    def __init__(self, name: str, counts: Mapping[str, int]) -> None:
        super().__init__()
        self._queue = name
        self._state = next((state for state in STATES if counts.get(state)), STATES[0])
        self._search = ""
        self._newest = True

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(id="head")
        yield Input(placeholder='words, or name:resize data.user.id:42 error:"time out" attempt:>2', id="filter")
        yield LiveTable(COLUMNS)
        yield Static(id="status")
        yield Footer()

    async def read(self) -> JobsView:
        """Read a page of jobs."""
        queue, state = self.site.queue(self._queue), self._state
        page = await get_jobs_page(self.site, self._queue, state, search=self._search, limit=_MOST, newest=self._newest)
        return JobsView(counts=await queue.get_job_counts(), paused=await queue.is_paused(), state=state, page=page)

    def show(self, view: JobsView) -> None:
        """Show the jobs."""
        if view.state != self._state:  # the operator was quicker
            return
        self.query_one("#head", Static).update(self._headline(view))
        self.query_one(LiveTable).fill([(row.id, self._cells(row, view.page.at)) for row in view.page.jobs])

    def on_mount(self) -> None:
        """Begin to read, with the cursor among the jobs."""
        super().on_mount()
        self.query_one(LiveTable).focus()

    def on_resize(self) -> None:
        """Show as many columns as there is room for."""
        self.show_again()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the job."""
        if (job_id := self.query_one(LiveTable).chosen) is not None:
            self.top.push_screen(JobScreen(self._queue, job_id))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        self._search = event.value.strip()
        self._close_search()
        self.reload()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the arrows to the field of the search while it has the focus."""
        return not (action == "state" and isinstance(self.focused, Input))

    def action_search(self) -> None:
        """Ask what to search for."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_leave(self) -> None:
        """End the search, or go back to the overview."""
        field = self.query_one("#filter", Input)
        if not field.display:
            self.action_back()
            return
        field.value = self._search = ""
        self._close_search()
        self.reload()

    def action_state(self, step: int) -> None:
        """Show the jobs of the next state, or of the one before."""
        self.action_choose((STATES.index(self._state) + step) % len(STATES))

    def action_choose(self, at: int) -> None:
        """Show the jobs of a state."""
        self._state = STATES[at]
        self.reload()

    def action_sort(self) -> None:
        """Show the newest first, or the oldest."""
        self._newest = not self._newest
        self.notify(f"{'newest' if self._newest else 'oldest'} first", timeout=2, markup=False)
        self.reload()

    def action_pause(self) -> None:
        """Pause the queue, or resume it."""
        if self.view is not None:
            ask_to_pause(self, self._queue, paused=self.view.paused)

    def action_run(self) -> None:
        """Retry the job in which the cursor stands."""
        job = self._chosen_job()
        if job is not None:
            ask_to_run(self, self._queue, job.id, job.state)

    def _cells(self, row: JobRow, now: datetime) -> tuple[Cell, ...]:
        first, *others = job_cells(row, now)
        narrow = self.top.size.width < _ROOM_FOR_IDS and len(row.id) > _SHORT_ID
        # The ends of ids that are made of the time are what tells them apart.
        return (f"..{row.id[-_SHORT_ID:]}" if narrow else first, *others)

    def _chosen_job(self) -> JobRow | None:
        chosen = self.query_one(LiveTable).chosen
        jobs = [] if self.view is None else self.view.page.jobs
        return next((job for job in jobs if job.id == chosen), None)

    def _close_search(self) -> None:
        self.query_one("#filter", Input).display = bool(self._search)
        self.query_one(LiveTable).focus()

    def _headline(self, view: JobsView) -> Text:
        line = Text.assemble((visible(self._queue), "bold"), ("  paused" if view.paused else "", "yellow"), "\n")
        for at, state in enumerate(STATES):
            style = f"reverse {STATE_STYLES[state]}" if state == self._state else STATE_STYLES[state]
            line.append(f"{at + 1}:", style="dim").append(f"{state} {view.counts.get(state, 0):,}", style=style)
            line.append("  ")
        if self._search:
            line.append(f"\n{view.page.matched} found in {view.page.scanned:,} of {view.page.total:,} jobs looked at")
        return line
