"""Write to the operator's terminal: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Final

import msgspec
from rich.console import Console
from rich.text import Text

from oxmq.cli.terminal.visible import visible, visible_lines
from oxmq.logs import FORMAT_VARIABLE, JsonFormatter

#: Something was found, or happened, that should not be.
EXIT_FAILURE: Final = 1
#: The command could not be carried out: wrong arguments, a wrong address, a server out of reach.
EXIT_UNUSABLE: Final = 2
#: Ctrl-C came before there was anything to stop in order.
EXIT_INTERRUPTED: Final = 130

#: How wide a line may be that goes to a file or another program: nothing is cut there.
_UNBOUNDED = 4_000


def results() -> Console:
    """Return the console for results. What is not a terminal gets lines as long as they are."""
    unbounded = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_UNBOUNDED if unbounded else None, markup=False, emoji=False, highlight=False)


def remarks() -> Console:
    """Return the console for everything else."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False)


class _Speech:
    """Hold whether remarks are lines of JSON, as those of a process are whose log lines are."""

    in_json = False


def choose_format(log_format: str | None) -> None:
    """Make remarks in the format of log lines, here and in the processes that this one starts."""
    _Speech.in_json = log_format == "json"
    if log_format is not None:
        os.environ[FORMAT_VARIABLE] = str(log_format)


def speaks_json() -> bool:
    """Tell whether remarks are lines of JSON."""
    return _Speech.in_json


def tell(message: str, level: str = "INFO", **fields: object) -> None:
    """Write a remark as a line of JSON, with further fields beside it."""
    record = {
        "name": "oxmq.cli",
        "levelname": level,
        "levelno": logging.getLevelNamesMapping()[level],
        "msg": message,
        **fields,
    }
    print(JsonFormatter().format(logging.makeLogRecord(record)), file=sys.stderr, flush=True)  # noqa: T201 - no console may wrap or colour it


def fail(message: str, code: int = EXIT_UNUSABLE) -> int:
    """Print why the command could not be carried out, and return the exit code that says so."""
    if speaks_json():
        tell(message, "ERROR")
        return code
    remarks().print(Text(f"Error: {visible(message)}", style="bold red"), soft_wrap=True)
    return code


def note(message: str) -> None:
    """Print one line of what goes on."""
    if speaks_json():
        tell(message)
        return
    remarks().print(Text(f"oxmq: {visible(message)}", style="cyan"), soft_wrap=True)


def say(sentence: str) -> None:
    """Print one line of the result."""
    results().print(Text(visible(sentence)), soft_wrap=True)


def show_json(value: object) -> None:
    """Print a value for programs: data classes as objects, instants in ISO 8601."""
    plain = msgspec.to_builtins(value, enc_hook=repr)
    # Only characters that JSON lets pass and a terminal might obey are left to be escaped: they are within strings.
    print(visible_lines(json.dumps(plain, indent=2, ensure_ascii=False), json_escapes=True))  # noqa: T201 - no console may wrap or colour it
