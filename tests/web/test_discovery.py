"""Which queues there are: found by their keys, soon, and without holding the server up."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.errors import UnavailableError
from oxmq.monitor import discovery
from oxmq.monitor.site import Site
from tests.integration.bed import Bed
from tests.support.servers import free_port
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search again and again, in small steps."""
    monkeypatch.setattr(discovery, "_FRESH", 0.0)
    monkeypatch.setattr(discovery, "_REST", 0)
    monkeypatch.setattr(discovery, "_EASE", 0)
    monkeypatch.setattr(discovery, "_STEP", 10)


async def test_queues_among_many_keys(bed: Bed, redis_client: Any) -> None:
    for name in ("a", "b-1", "B.2"):
        await bed.queue(name).add("x", {})
    redis_client.mset({f"{bed.prefix}:a:job-{number}:logs": "" for number in range(200)})
    redis_client.set(f"{bed.prefix}:a:b:meta", "")  # of no queue: no name has a colon
    async with Site(bed.url, prefix=bed.prefix, known=["declared"]) as site:
        found = await site.queue_names()
        assert (found.names, found.complete) == (["B.2", "a", "b-1", "declared"], True)


async def test_queues_come_and_go(bed: Bed) -> None:
    queue = bed.queue("first")
    await queue.add("x", {})
    async with Site(bed.url, prefix=bed.prefix) as site:
        assert (await site.queue_names()).names == ["first"]
        await bed.queue("second").add("x", {})

        async def names() -> list[str]:
            return (await site.queue_names()).names

        async def both() -> bool:
            return await names() == ["first", "second"]

        await eventually(both)
        await queue.obliterate(force=True)

        async def one() -> bool:
            return await names() == ["second"]

        await eventually(one)
        site.note_queue("third")
        assert "third" in await names()


async def test_a_queue_whose_meta_is_gone_is_found_by_its_counter(bed: Bed, redis_client: Any) -> None:
    await bed.queue("old").add("x", {})
    redis_client.delete(f"{bed.prefix}:old:meta")
    async with Site(bed.url, prefix=bed.prefix) as site:

        async def is_found() -> bool:
            return (await site.queue_names()).names == ["old"]

        await eventually(is_found)


async def test_a_prefix_is_no_pattern(bed: Bed) -> None:
    await bed.queue("a").add("x", {})
    async with Site(bed.url, prefix="*") as site:
        assert (await site.queue_names()).names == []


async def test_without_a_server_that_is_said() -> None:
    async with Site(f"redis://127.0.0.1:{free_port()}", timeout=0.1) as site:
        with pytest.raises(UnavailableError):
            await site.queue_names()
