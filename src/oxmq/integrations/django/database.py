"""Look after database connections around a job as Django does around a request."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import sync_to_async
from django.db import close_old_connections, reset_queries

P = ParamSpec("P")
R = TypeVar("R")


def with_fresh_connections(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function of a task with connections closed around it that are broken or too old (``CONN_MAX_AGE``).

    Connections belong to threads. So this is done in the thread of a plain function, and for a coroutine in the one
    in which Django runs the database's work of asynchronous code.
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
        await sync_to_async(_refresh)()
        try:
            return await function(*args, **kwargs)
        finally:
            await sync_to_async(close_old_connections)()

    return run


def _refresh() -> None:
    reset_queries()
    close_old_connections()
