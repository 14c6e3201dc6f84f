"""Turn what goes wrong into a sentence and an exit code that says what it was."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from oxmq.cli.terminal.screen import EXIT_FAILURE, EXIT_UNUSABLE, fail, show_json
from oxmq.errors import JobError, JobFailedError, OxmqError, QueueStateError

#: What every group of commands says of its exit codes.
EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 it failed, or there is no such thing; 2 the command was wrong, or the server out of reach."
)

_JSON = "oxmq.json"
_FAILURES = (JobError, JobFailedError, QueueStateError)


class NotFoundError(OxmqError):
    """Say that what a command was given does not exist."""


class RefusedError(OxmqError):
    """Say that a command was told no, or could not do all that it was asked to do."""


class Program(TyperGroup):
    """Run a command, and end with an exit code where it raises an error of oxmq's."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - a context, whose class has another name in each Typer
        """Run the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except OxmqError as error:
            if ctx.meta.get(_JSON):
                show_json({"error": str(error)})
            raise typer.Exit(fail(str(error), exit_code(error))) from None


def exit_code(error: OxmqError) -> int:
    """Return the exit code for an error: 1 when the server was asked and said no, 2 when it could not be asked."""
    return EXIT_FAILURE if isinstance(error, (*_FAILURES, NotFoundError, RefusedError)) else EXIT_UNUSABLE


def note_json(ctx: typer.Context, wanted: bool) -> bool:
    """Remember that the answer is for a program, so that an error is JSON as well."""
    if wanted:
        ctx.meta[_JSON] = True
    return wanted
