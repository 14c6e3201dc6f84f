"""Turn the signals of an operator into an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Generator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stopping_on_signals(on_first: Callable[[], None], on_second: Callable[[], None]) -> Generator[None, None, None]:
    """Call `on_first` at the first SIGTERM or SIGINT and `on_second` at each further one.

    Outside the main thread, where signals cannot be handled, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    calls = iter([on_first])

    def handle() -> None:
        next(calls, on_second)()

    for number in _SIGNALS:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
