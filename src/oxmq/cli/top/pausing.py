"""Pause a queue, or resume it, when the operator agrees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from oxmq.cli.terminal.visible import visible
from oxmq.cli.top.dialogs import Question
from oxmq.cli.top.live_screen import LiveScreen
from oxmq.errors import OxmqError


def ask_to_pause(screen: LiveScreen[Any], name: str, *, paused: bool) -> None:
    """Ask, and pause the queue of that name or resume it if it is paused."""
    queue = screen.site.queue(name)
    if paused:
        ask(screen, f"Resume queue {name}?", queue.resume)
    else:
        ask(screen, f"Pause queue {name}? No worker will start another of its jobs.", queue.pause)


def ask(screen: LiveScreen[Any], question: str, action: Callable[[], Awaitable[object]]) -> None:
    """Ask, do it when the operator agrees, and say so when it cannot be done."""

    async def act() -> None:
        try:
            await action()
        except OxmqError as error:
            screen.notify(visible(str(error)), severity="error", markup=False)
        screen.reload()

    def answered(yes: bool | None) -> None:
        if yes:
            screen.run_worker(act())

    screen.top.push_screen(Question(question), answered)
