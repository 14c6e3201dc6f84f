"""Describe the arguments that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from oxmq.cli.completion import complete_queue
from oxmq.cli.terminal.exits import note_json


class State(StrEnum):
    """Name the states in which jobs can be listed."""

    WAITING = "waiting"
    PRIORITIZED = "prioritized"
    DELAYED = "delayed"
    ACTIVE = "active"
    WAITING_CHILDREN = "waiting-children"
    COMPLETED = "completed"
    FAILED = "failed"


Url = Annotated[
    str | None,
    typer.Option(help="The server; else $OXMQ_URL, else the embedded one in ./.oxmq."),
]
Prefix = Annotated[
    str,
    typer.Option(envvar="OXMQ_PREFIX", show_envvar=False, help="With what all keys begin; else $OXMQ_PREFIX."),
]
Json = Annotated[bool, typer.Option("--json", callback=note_json, help="Print one JSON document, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many jobs it is about.")]
QueueName = Annotated[str, typer.Argument(metavar="QUEUE", autocompletion=complete_queue, help="The queue.")]
QueueNames = Annotated[
    list[str], typer.Argument(metavar="QUEUE", autocompletion=complete_queue, help="One queue or several.")
]
OptionalQueueName = Annotated[
    str | None, typer.Argument(metavar="QUEUE", autocompletion=complete_queue, help="The queue; else all.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job.")]
_STATES = "waiting, prioritized, delayed, active, waiting-children, completed or failed"
StateOption = Annotated[State, typer.Option(show_choices=False, help=f"The state of the jobs: {_STATES}.")]
Search = Annotated[
    str | None,
    typer.Option(help='Only matching jobs: words, or name:resize data.user.id:42 error:"time out" attempt:>2 age:>1h.'),
]
