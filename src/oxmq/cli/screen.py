"""Write to the operator's terminal: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from typing import Final

from rich.console import Console
from rich.text import Text

#: Something was found, or happened, that should not be.
EXIT_FAILURE: Final = 1
#: The command could not be carried out: wrong arguments, a wrong address, a server out of reach.
EXIT_UNUSABLE: Final = 2
#: Ctrl-C came before there was anything to stop in order.
EXIT_INTERRUPTED: Final = 130


def fail(message: str) -> int:
    """Print why the command could not be carried out, and return the exit code that says so."""
    Console(stderr=True).print(Text(f"Error: {message}", style="bold red"), soft_wrap=True)
    return EXIT_UNUSABLE


def note(message: str) -> None:
    """Print one line of what goes on."""
    Console(stderr=True).print(Text(f"oxmq: {message}", style="cyan"), soft_wrap=True)


def show_json(value: object) -> None:
    """Print a value for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - no console may wrap or colour it
