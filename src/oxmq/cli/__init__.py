"""Give operators the `oxmq` command. Importing this needs nothing beyond the core; running it needs Typer and Rich."""

from __future__ import annotations

import sys
from io import TextIOWrapper

__all__ = ["main"]

_REQUIRED = ("rich", "typer")


def main() -> int:
    """Run the command line of this process and return the exit code: see `oxmq.cli.terminal.exits` for the codes."""
    try:
        from oxmq.cli.program import program  # noqa: PLC0415 - they are an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _REQUIRED:
            raise
        print('The oxmq command needs Typer and Rich: pip install "oxmq[standard]"', file=sys.stderr)  # noqa: T201 - nothing nicer is there
        return 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a letter is shown its number
            stream.reconfigure(errors="backslashreplace")
    program(prog_name="oxmq")
    return 0
