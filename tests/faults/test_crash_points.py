"""F6, enumerated: each command of each public operation, and of a worker's whole cycle, meets each fault once.

An operation ends in one of three ways, and each is a promise: it returns (it was done, once), it raises
`UnavailableError` (it was not done), or, where its script may not be repeated, `OutcomeUnknownError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from oxmq import Job, OutcomeUnknownError, Queue, UnavailableError, Worker
from oxmq.errors import LockLostError
from tests.faults.keyspace import Keyspace, broken_rules
from tests.faults.operations import OPERATIONS, TOKEN, Case, Operation, effect_of, prepared
from tests.faults.stage import FLAVOUR
from tests.support.proxy import FaultProxy
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

#: How many of a worker's commands are tried; a cycle has fewer than this.
CYCLE = 26
FAULTS = ("reset_before", "swallow_reply")


EACH_OPERATION = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Run one server for all the cases of this file."""
    with RedisServer(FLAVOUR) as running:
        yield running


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    """Put a faulty network in front of it, in this event loop."""
    async with FaultProxy(server.url) as running:
        yield running


def any_command(_words: Sequence[bytes]) -> bool:
    """Match every command."""
    return True


@pytest.mark.parametrize("operation", EACH_OPERATION)
async def test_each_command_of_an_operation(server: RedisServer, proxy: FaultProxy, operation: Operation) -> None:
    with server.client() as client:
        commands, done = await count_commands(operation, client, proxy)
        for fault in FAULTS:
            for nth in range(1, commands + 1):
                async with prepared(proxy.url, operation) as case:
                    client.script_flush()
                    before = effect_of(operation, client, case)
                    getattr(proxy, fault)(any_command, nth)
                    end = await end_of(operation, case)
                    after = effect_of(operation, client, case)
                    said = f"{operation.name}: {end}, {before!r} then {after!r}, after {fault} of command {nth}"
                    assert end in (("done",) if operation.repeats else ("done", "unknown")), said
                    assert after in ((done,) if end == "done" else (before, done)), said
                    assert await broken_rules(server.url, case.queue.name) == [], said
                proxy.heal()
    # Waiting for a result may take one read of the events more or less.
    assert all(commands - 1 <= proxy.fired[fault] <= commands for fault in FAULTS)


async def count_commands(operation: Operation, client: Any, proxy: FaultProxy) -> tuple[int, object]:
    """Return how many commands the operation takes when nothing goes wrong, and its effect."""
    async with prepared(proxy.url, operation) as case:
        client.script_flush()
        proxy.commands.clear()
        assert await end_of(operation, case) == "done"
        commands = proxy.commands - Counter({"XREAD": proxy.commands["XREAD"]})
        return commands.total(), effect_of(operation, client, case)


async def end_of(operation: Operation, case: Case) -> str:
    """Return how the operation ended."""
    try:
        await operation.act(case)
    except UnavailableError:
        return "not done"
    except OutcomeUnknownError:
        return "unknown"
    return "done"


async def test_no_operation_is_done_without_a_server(server: RedisServer, proxy: FaultProxy) -> None:
    """All at once, because each goes on trying for as long as a call may take."""
    with server.client() as client:
        async with contextlib.AsyncExitStack() as stack:
            cases = [
                (operation, await stack.enter_async_context(prepared(proxy.url, operation)))
                for operation in OPERATIONS
                if operation.name != "result"
            ]
            proxy.refuse()
            before = [effect_of(operation, client, case) for operation, case in cases]
            async with asyncio.timeout(10):
                ends = await asyncio.gather(*(end_of(*case) for case in cases))
            assert {operation.name: end for (operation, _), end in zip(cases, ends, strict=True)} == {
                operation.name: "not done" for operation, _ in cases
            }
            assert before == [effect_of(operation, client, case) for operation, case in cases]
            proxy.heal()


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_command_of_a_worker(server: RedisServer, fault: str) -> None:
    """Locks outlast the test, so that only what the worker makes good by itself can end well."""
    crowd = asyncio.Semaphore(6)

    async def case(nth: int) -> None:
        async with crowd, FaultProxy(server.url) as proxy:
            getattr(proxy, fault)(any_command, nth)
            await assert_jobs_end_once(server, proxy, f"{fault} of command {nth}")

    await asyncio.gather(*(case(nth) for nth in range(1, CYCLE + 1)))


async def assert_jobs_end_once(server: RedisServer, proxy: FaultProxy, said: str) -> None:
    """Run a job that completes, one that is tried again and one that fails, and check what became of each."""
    starts: Counter[str] = Counter()

    async def handle(job: Job[Any]) -> str:
        starts[job.id] += 1
        if job.name == "fails" or (job.name == "fails once" and job.attempts_made == 0):
            raise RuntimeError("told to fail")
        return "done"

    name = f"cycle-{uuid.uuid4().hex[:8]}"
    async with Queue(name, connection=server.url) as queue, Worker(name, handle, proxy.url, concurrency=2) as worker:
        worker.start()
        jobs = [await queue.add(what, {"key": what}, attempts=2) for what in ("completes", "fails once", "fails")]
        await eventually(lambda: all_ended(jobs), 12, said)
    with server.client() as client:
        keyspace = Keyspace(client, server.url, name)
        seen = {job.key: (job.state, job.attempts_made, job.stalled, job.endings) for job in keyspace.jobs()}
        assert seen == {
            "completes": ("completed", 1, 0, 1),
            "fails once": ("completed", 2, 0, 1),
            "fails": ("failed", 2, 0, 1),
        }, said
        assert await broken_rules(server.url, name) == [], said
    assert list(starts.values()) == [1, 2, 2] or sorted(starts.values()) == [1, 2, 2], said


async def all_ended(jobs: list[Job[Any]]) -> bool:
    return all([await job.get_state() in ("completed", "failed") for job in jobs])


async def test_a_finish_that_was_done_is_refused_when_it_is_repeated(server: RedisServer, proxy: FaultProxy) -> None:
    """So says the promise of its retry class: the caller repeats it, and reads the refusal."""
    operation = next(operation for operation in OPERATIONS if operation.name == "move_to_completed")
    async with prepared(proxy.url, operation) as case:
        with pytest.raises(LockLostError):
            await case.job.move_to_completed(0, "another token")
        proxy.swallow_reply("EVALSHA")
        with pytest.raises(OutcomeUnknownError):
            await case.job.move_to_completed(1, TOKEN)
        with pytest.raises(LockLostError):
            await case.job.move_to_completed(2, TOKEN)
        await case.job.refresh()
        assert case.job.return_value == 1
