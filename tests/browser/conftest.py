"""One browser for all tests of the dashboard, one world for each file, one page for each test.

All of them share the session's event loop: a browser outlives the loop of a single test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.looking import PHONE, Look, looking
from tests.browser.world import World, inhabited
from tools.setup_browser import present

#: As root, and in most containers, the browser's own sandbox cannot be set up, and `/dev/shm` is small there. A process
#: for graphics of its own would only cost time.
ARGUMENTS = (
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-software-rasterizer", "--in-process-gpu",
    "--font-render-hinting=none",
)  # fmt: skip
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start the browser that the set-up found."""
    program = present()
    if program is None:
        pytest.fail("no Chromium here: run tools/setup_browser.py")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world() -> AsyncIterator[World]:
    """Make the world for one file."""
    async with inhabited() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def look(browser: Browser, world: World) -> AsyncIterator[Look]:
    """Open a page of an admin."""
    async with looking(browser, world.url) as opened:
        yield opened
        opened.verdict()


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browser: Browser, world: World) -> AsyncIterator[Look]:
    """Open a page of an admin on a phone."""
    async with looking(browser, world.url, size=PHONE) as opened:
        yield opened
        opened.verdict()


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(browser: Browser, world: World) -> AsyncIterator[Look]:
    """Open a page where everybody has to sign in."""
    async with looking(browser, world.guarded_url) as opened:
        opened.allowed.append("status of 401")
        yield opened
        opened.verdict()
