"""Node calls typed Python functions: right data runs them, wrong data fails clearly, and the worker goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from oxmq import Oxmq, Queue
from tests.compat.node_peer import DEADLINE, NodePeer
from tests.compat.side import until_state
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Address:
    """Where a parcel goes."""

    street: str
    number: int


@contextlib.asynccontextmanager
async def serving(app: Oxmq, queue: str) -> AsyncGenerator[None, None]:
    """Run the app's worker for the length of a block."""
    worker = app.worker(queues=[queue], concurrency=2)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.close()
        await asyncio.wait_for(running, DEADLINE)


@pytest_asyncio.fixture(loop_scope="session")
async def app(server: RedisServer, queue_name: str) -> AsyncIterator[Oxmq]:
    """Serve three typed functions on the test's queue."""
    async with Oxmq(server.url) as made:

        @made.task(queue=queue_name)
        async def greet(user_id: int, polite: bool = True) -> dict[str, object]:
            return {"user": user_id + 1, "polite": polite}

        @made.task(queue=queue_name, name="send-parcel")
        async def send(to: Address, weights: list[float]) -> Address:
            return Address(to.street, to.number + len(weights))

        @made.task(queue=queue_name)
        def blocking(text: str) -> str:
            return text.upper()

        async with serving(made, queue_name):
            yield made


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("name", "data", "result"),
    [
        ("greet", {"user_id": 1}, {"user": 2, "polite": True}),
        ("greet", {"user_id": 1, "polite": False}, {"user": 2, "polite": False}),
        ("send-parcel", {"to": {"street": "Weg", "number": 3}, "weights": [1, 2.5]}, {"street": "Weg", "number": 5}),
        ("blocking", {"text": "ä"}, "Ä"),
    ],
)
async def test_node_calls_a_typed_task(
    node: NodePeer, queue: Queue, name: str, data: dict[str, object], result: object
) -> None:
    job_id = await node.add(queue.name, name, data)
    await until_state(queue, job_id, "completed")
    assert (await node.get_job(queue.name, job_id))["returnvalue"] == result


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("name", "data", "named"),
    [
        ("greet", {"user_id": "one"}, "user_id"),
        ("greet", {}, "user_id"),
        ("greet", {"user_id": 1, "polite": 3}, "polite"),
        ("send-parcel", {"to": {"street": "Weg"}, "weights": []}, "number"),
        ("send-parcel", {"to": {"street": "Weg", "number": 3}, "weights": ["heavy"]}, "weights"),
        ("blocking", {"text": None}, "text"),
        ("no-such-task", {"user_id": 1}, "no-such-task"),
    ],
)
async def test_what_does_not_fit_fails_at_once_and_says_why(
    node: NodePeer, queue: Queue, name: str, data: dict[str, object], named: str
) -> None:
    wrong = await node.add(queue.name, name, data, attempts=5, backoff=10)
    right = await node.add(queue.name, "greet", {"user_id": 1})
    await until_state(queue, wrong, "failed")
    await until_state(queue, right, "completed")
    seen = await node.get_job(queue.name, wrong)
    assert named in seen["failedReason"]
    assert seen["attemptsMade"] == 1


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("data", [[1, 2], "text", 7, None])
async def test_data_that_is_no_object_fails_at_once(node: NodePeer, queue: Queue, data: object) -> None:
    job_id = await node.add(queue.name, "greet", data, attempts=5)
    await until_state(queue, job_id, "failed")
    seen = await node.get_job(queue.name, job_id)
    assert "greet" in seen["failedReason"]
    assert seen["attemptsMade"] == 1
