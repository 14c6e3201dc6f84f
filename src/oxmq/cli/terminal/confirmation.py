"""Ask before something is destroyed."""

from __future__ import annotations

import sys

import typer

from oxmq.cli.terminal.exits import RefusedError
from oxmq.cli.terminal.screen import remarks
from oxmq.cli.terminal.visible import visible
from oxmq.errors import ConfigurationError


def confirm(scope: str, *, yes: bool) -> None:
    """Go on when the operator agrees.

    Args:
        scope: what will be done to how much, as a sentence without its full stop.
        yes: they have agreed beforehand.

    Raises:
        RefusedError: they do not.
        ConfigurationError: nobody is there to be asked.
    """
    if yes:
        return
    if not _somebody_is_there():
        raise ConfigurationError(f"{scope}. Nobody is there to confirm this: give --yes")
    remarks().print(f"{visible(scope)}.", soft_wrap=True)
    if not typer.confirm("Go on?", err=True):
        raise RefusedError("nothing was done")


def _somebody_is_there() -> bool:
    return sys.stdin.isatty()
