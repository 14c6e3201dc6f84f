"""Look after database connections around a job as Django does around a request."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections, reset_queries

P = ParamSpec("P")
R = TypeVar("R")


def with_fresh_connections(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function of a task with database connections looked after around it.

    Connections belong to threads. In the thread of a plain function, those are closed before and after it that are
    broken or too old (``CONN_MAX_AGE``). A coroutine has a thread of its own for the database's work, and all of its
    connections are closed when it ends: in a shared one, it would close what others are reading from.
    """
    if iscoroutinefunction(function):
        return cast("Callable[P, R]", _around_coroutine(cast("Callable[..., Any]", function)))

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _refresh()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return run


def _around_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def run(*args: object, **kwargs: object) -> object:
        async with ThreadSensitiveContext():
            try:
                return await function(*args, **kwargs)
            finally:
                await sync_to_async(_disconnect)()

    return run


def _refresh() -> None:
    # A test that counts queries counts those of the jobs that it runs inline, too.
    if not any(connection.force_debug_cursor for connection in connections.all(initialized_only=True)):
        reset_queries()
    close_old_connections()


def _disconnect() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a test's, which runs the job inline in its transaction
            connection.close()
