"""Show how far long work has come."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from oxmq.cli.terminal.screen import remarks

Advance = Callable[[int], None]
"""Say that so much more is done."""


@contextmanager
def progress_bar(what: str, total: int | None, *, quiet: bool = False) -> Generator[Advance]:
    """Draw a bar on a terminal's standard error while the block runs; elsewhere, and when `quiet`, nothing.

    Args:
        what: what is being done: ``deleting``.
        total: how much there is to do; None when that is not known.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - few commands draw one

    console = remarks()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)
