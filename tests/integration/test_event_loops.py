"""One application is used by several event loops, in threads of their own and at once."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import pytest

from oxmq import Oxmq

LOOPS, TURNS, AT_ONCE = 6, 20, 10
#: Seconds for anything to happen on a busy machine.
PATIENCE = 30.0


@pytest.fixture
def app(redis_url: str, prefix: str) -> Iterator[Oxmq]:
    made = Oxmq(redis_url, prefix=prefix)
    yield made
    made.close_sync()


@pytest.fixture
def changing_threads_often() -> Iterator[None]:
    """Change threads in the middle of almost everything."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run coroutines on a loop in another thread."""
    loops: Queue[asyncio.AbstractEventLoop] = Queue()
    end = asyncio.Event()

    async def live() -> None:
        loops.put(asyncio.get_running_loop())
        await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    loop = loops.get(timeout=PATIENCE)
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)
    loop.call_soon_threadsafe(end.set)
    thread.join(PATIENCE)


def _connections(redis_client: Any) -> int:
    return int(redis_client.info("stats")["total_connections_received"])


@pytest.mark.usefixtures("changing_threads_often")
def test_each_loop_has_one_connection_and_its_own_answers(app: Oxmq, redis_client: Any) -> None:
    @app.task
    def note(number: int) -> None: ...

    together = threading.Barrier(LOOPS)

    async def add(loop: int) -> list[tuple[int, int]]:
        added: list[tuple[int, int]] = []
        for turn in range(TURNS):
            numbers = [(loop * TURNS + turn) * AT_ONCE + at for at in range(AT_ONCE)]
            jobs = await asyncio.gather(*(note.enqueue(number) for number in numbers))
            for number, job in zip(numbers, jobs, strict=True):
                await job.refresh()
                added.append((number, job.data["number"]))
        return added

    def run(loop: int) -> list[tuple[int, int]]:
        together.wait(PATIENCE)
        return asyncio.run(asyncio.wait_for(add(loop), PATIENCE))

    before = _connections(redis_client)
    with ThreadPoolExecutor(LOOPS) as threads:
        added = [pair for pairs in threads.map(run, range(LOOPS)) for pair in pairs]
    assert added == [(number, number) for number in range(LOOPS * TURNS * AT_ONCE)]
    assert _connections(redis_client) == before + LOOPS


async def test_a_close_reaches_the_connections_of_all_loops(
    app: Oxmq, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    queue = app.queue("q")
    await queue.count()
    await asyncio.to_thread(elsewhere, queue.count())
    assert len(app.runner.loops) == 2
    await app.close()
    assert not app.runner.loops
    assert await asyncio.to_thread(elsewhere, queue.count()) == 0  # a later call opens a connection again


def test_code_without_a_loop_closes_them_too(app: Oxmq, elsewhere: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    elsewhere(app.queue("q").count())
    asyncio.run(app.queue("q").count())
    assert len(app.runner.loops) == 1  # the other one has ended
    app.close_sync()
    assert not app.runner.loops
