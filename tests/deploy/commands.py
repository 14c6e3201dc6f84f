"""Read command lines of oxmq as oxmq does, without running anything."""

from __future__ import annotations

from typing import Any

import typer.main

from oxmq.cli.program import program
from oxmq.cli.worker import read_grace
from oxmq.durations import milliseconds
from oxmq.worker import executor, services

#: Seconds that a worker may take after its grace period: to hand jobs back, and to have that confirmed.
AFTERWARDS = executor.STOP_GRACE + services._LAST_WORDS  # pyright: ignore[reportPrivateUsage] - no caller may set it


def parse(words: list[str]) -> dict[str, Any]:
    """Return the parameters of a command by name.

    Raises:
        click.UsageError: there is no such command or option.
    """
    group: Any = typer.main.get_command(program)
    command = group.commands[words[0]]
    parameters: dict[str, Any] = command.make_context(words[0], list(words[1:]), resilient_parsing=False).params
    return parameters


def longest_end(words: list[str]) -> float:
    """Return how many seconds a worker with this command line may take to stop."""
    return milliseconds(read_grace(parse(words)["grace"]), "grace") / 1000 + AFTERWARDS
