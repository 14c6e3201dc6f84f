"""Large queues and flows open as fast as small ones, and the dashboard loads in few bytes."""

from __future__ import annotations

import re
from statistics import median
from time import perf_counter
from typing import Any, Final

from playwright.async_api import expect

from tests.browser.looking import Look
from tests.browser.world import CHILDREN, World

JOBS: Final = 100_000
#: What the first load of the dashboard may take, in bytes.
FIRST_LOAD: Final = 200 * 1024
#: Seconds that a large queue may take longer than twice the time of an empty one: the machine does other things too.
SLACK: Final = 0.3


async def test_a_queue_of_100_000_jobs_opens_like_an_empty_one(look: Look, world: World) -> None:
    world.fill("large", "wait", JOBS)
    world.fill("large", "completed", 100)
    world.fill("empty", "wait", 0)
    await look.open_queue("empty", state="waiting")  # so that both find everything in the browser's cache
    empty: list[float] = []
    large: list[float] = []
    rows = look.rows(look.table("Waiting jobs"))
    for _ in range(3):
        begin = perf_counter()
        await look.open_queue("empty", state="waiting")
        await expect(look.main.get_by_text("No waiting jobs")).to_be_visible()
        empty.append(perf_counter() - begin)
        begin = perf_counter()
        await look.open_queue("large", state="waiting")
        await expect(rows).to_have_count(50)
        large.append(perf_counter() - begin)
    assert median(large) <= 2 * median(empty) + SLACK, f"{median(large):.2f} s against {median(empty):.2f} s"
    await expect(look.main.get_by_text("50 shown of 100,000")).to_be_visible()
    first = await rows.first.inner_text()
    await look.button("Next").click()
    await expect(rows.first).not_to_have_text(first)
    await expect(rows).to_have_count(50)


async def test_a_search_in_100_000_jobs_says_its_cost_and_stops(look: Look, world: World) -> None:
    world.fill("searched", "wait", JOBS)
    await look.open_queue("searched", state="waiting", search="data.number:nothing")
    await expect(look.main.get_by_text(re.compile(r"Looked at [\d,]+ of 100,000 jobs"))).to_be_visible()
    await look.button("Stop").click()
    await expect(look.main.get_by_text(re.compile(r"Has looked at [\d,]+ of 100,000 jobs"))).to_be_visible()


async def test_a_flow_of_200_children(look: Look, world: World) -> None:
    await look.open_job("images", world.ids["album"], "flow")
    together = look.main.get_by_role("button", name=re.compile(rf"^{CHILDREN} . thumbnail: 186 done"))
    await expect(together).to_be_visible()
    await together.click()
    tiles = look.main.locator(".flow-tile")
    await expect(tiles).to_have_count(CHILDREN)
    await tiles.nth(CHILDREN // 2).click()
    await expect(look.main.get_by_role("region", name="Selected: thumbnail")).to_be_visible()


async def test_the_first_load_is_small(look: Look) -> None:
    # Any, for what the browser's own protocol says has no types.
    session: Any = await look.page.context.new_cdp_session(look.page)
    await session.send("Network.enable")
    sizes: dict[str, float] = {}
    urls: dict[str, str] = {}

    def begin(event: Any) -> None:
        urls[event["requestId"]] = event["response"]["url"]

    def end(event: Any) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.responseReceived", begin)
    session.on("Network.loadingFinished", end)
    await look.open("")
    await expect(look.main.get_by_text("imports").filter(visible=True).first).to_be_visible()
    files = {urls[request]: size for request, size in sizes.items() if "/api/" not in urls.get(request, "/api/")}
    assert files, "nothing was loaded"
    assert sum(files.values()) <= FIRST_LOAD, files
