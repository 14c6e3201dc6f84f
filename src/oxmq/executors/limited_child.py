"""Run one job within a limit of memory: the whole life of a child of `LimitedExecutor`."""

from __future__ import annotations

import os
import signal

import msgspec
from msgspec import Struct

from oxmq.executors.child_task import Reference, run_here
from oxmq.executors.sigterm import stop_handler_on_sigterm
from oxmq.executors.warden import lift_memory_limit, limit_memory
from oxmq.records import JobRecord

#: What it takes to tell that the memory did not suffice, in bytes.
_RESERVE = 64 * 1024 * 1024


class Request(Struct):
    """Hold what a child is to run, and how many bytes of memory it may take for it."""

    task: Reference
    record: JobRecord
    token: str
    memory: int | None


def serve(request_fd: int, reply_fd: int) -> None:
    """Run the job that the one file describes and write the `Reply` to the other."""
    stop_handler_on_sigterm()
    os.set_inheritable(reply_fd, False)
    with os.fdopen(request_fd, "rb") as file:
        request = msgspec.msgpack.decode(file.read(), type=Request)
    if request.memory is not None:
        limit_memory(request.memory, _RESERVE)
    reply = run_here(request.task, request.record, request.token, on_failure=lift_memory_limit)
    # All is done but the telling, which must not be broken off in the middle.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lift_memory_limit()
    with os.fdopen(reply_fd, "wb") as file:
        file.write(msgspec.msgpack.encode(reply))
