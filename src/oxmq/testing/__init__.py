"""Test what is built with oxmq: the public names.

A name's module is imported when the name is first used: pytest imports this package whenever it starts.
"""

from typing import TYPE_CHECKING, Final

from oxmq.lazy_names import imported_from

if TYPE_CHECKING:
    from oxmq.clock import ManualClock
    from oxmq.testing.assertions import (
        assert_enqueued,
        assert_enqueued_sync,
        assert_not_enqueued,
        assert_not_enqueued_sync,
        enqueued,
        enqueued_sync,
    )
    from oxmq.testing.idle import IdleReport, JobsFailedError, run_until_idle, run_until_idle_sync
    from oxmq.testing.inline_calls import NotInlineError
    from oxmq.testing.inline_mode import Inline, inline
    from oxmq.testing.server import TestServer, on_test_server

__all__ = [
    "IdleReport",
    "Inline",
    "JobsFailedError",
    "ManualClock",
    "NotInlineError",
    "TestServer",
    "assert_enqueued",
    "assert_enqueued_sync",
    "assert_not_enqueued",
    "assert_not_enqueued_sync",
    "enqueued",
    "enqueued_sync",
    "inline",
    "on_test_server",
    "run_until_idle",
    "run_until_idle_sync",
]

_HOMES: Final = {
    "oxmq.clock": ("ManualClock",),
    "oxmq.testing.assertions": (
        "assert_enqueued",
        "assert_enqueued_sync",
        "assert_not_enqueued",
        "assert_not_enqueued_sync",
        "enqueued",
        "enqueued_sync",
    ),
    "oxmq.testing.idle": ("IdleReport", "JobsFailedError", "run_until_idle", "run_until_idle_sync"),
    "oxmq.testing.inline_mode": ("Inline", "inline"),
    "oxmq.testing.inline_calls": ("NotInlineError",),
    "oxmq.testing.server": ("TestServer", "on_test_server"),
}

if not TYPE_CHECKING:
    __getattr__ = imported_from(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
