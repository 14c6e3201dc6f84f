"""Be a worker of the heavy tasks that has an accident where the test wants it.

An accident is written ``what when call number``, such as ``die before create_job 1``:

* what: ``die`` (SIGKILL), ``term`` (SIGTERM, and on), ``quit`` (its event loop ends, with no farewell), ``lose`` (the
  call is lost on its way, or afterwards its reply);
* when: ``before`` or ``after`` the call;
* call: a method of the cluster such as ``create_job``, or a call to Redis such as ``note_run`` or ``run_state``;
* number: which of these calls, from 1.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from oxmq.errors import UnavailableError
from oxmq.kubernetes.api_client import ApiCluster
from oxmq.kubernetes.cluster import ClusterUnavailableError
from oxmq.ops.call import Call
from oxmq.transport.runner import AsyncRunner
from tests.kubernetes.heavy_tasks import app_for

_CLUSTER_CALLS = ("create_job", "get_job", "delete_job", "list_jobs", "list_pods", "read_log", "list_events")


class Accident:
    """Let something happen at a call. Does nothing when `told` is empty."""

    def __init__(self, told: str) -> None:
        self._what, self._when, self._call, number = told.split() if told else ("", "", "", "0")
        self._left = int(number)

    # Any: the method of a cluster or a runner, and what it returns.
    async def during(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make the call, and let the accident happen if this is its time."""
        is_here = name == self._call
        self._left -= is_here
        is_here = is_here and self._left == 0
        if is_here and self._when == "before":
            self._happen()
        answer = await call()
        if is_here and self._when == "after":
            self._happen()
        return answer

    def _happen(self) -> None:
        if self._what == "lose":
            lost = ClusterUnavailableError if self._call in _CLUSTER_CALLS else UnavailableError
            raise lost("it was lost on its way")
        if self._what == "quit":
            asyncio.get_running_loop().call_soon(sys.exit, 1)
            return
        os.kill(os.getpid(), signal.SIGKILL if self._what == "die" else signal.SIGTERM)


def _prepare(accident: Accident) -> None:
    for name in _CLUSTER_CALLS:
        setattr(ApiCluster, name, _wrapped(getattr(ApiCluster, name), name, accident))
    run = AsyncRunner.run

    async def run_with_accident(self: AsyncRunner, call: Call[Any]) -> Any:
        name = "run_state" if "oxmq:run" in call.words else call.name
        return await accident.during(name, lambda: run(self, call))

    setattr(AsyncRunner, "run", run_with_accident)  # noqa: B010 - a plain assignment is refused by type checkers


def _wrapped(method: Callable[..., Awaitable[Any]], name: str, accident: Accident) -> Callable[..., Awaitable[Any]]:
    # Any: the arguments and the result of any method.
    async def call(*args: Any) -> Any:
        return await accident.during(name, lambda: method(*args))

    return call


def work(log: str, environment: dict[str, str], url: str, prefix: str, accident: str, options: dict[str, Any]) -> None:
    """Work until told to stop; this is the whole life of a process."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    for name in [name for name in os.environ if name.startswith(("OXMQ_", "KUBE"))]:
        del os.environ[name]
    os.environ.update(environment)
    _prepare(Accident(accident))
    asyncio.run(_work(url, prefix, options))


async def _work(url: str, prefix: str, options: dict[str, Any]) -> None:
    await app_for(url, prefix).worker(**options).run()
