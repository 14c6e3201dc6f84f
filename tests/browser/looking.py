"""Look at the dashboard as a person does: a page of a real browser, found by roles and names, watched for faults."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Dialog, Locator, Page, Request, expect

from tests.support.waiting import TIME_SCALE
from tools.setup_browser import ROOT, axe_source

Theme = Literal["light", "dark"]

#: Where every screen leaves its pictures: CI keeps them.
PICTURES: Final = ROOT / ".cache" / "screenshots"
DESKTOP: Final = (1280, 800)
PHONE: Final = (390, 844)
#: Milliseconds for anything to appear.
PATIENCE: Final = 8_000 * TIME_SCALE
#: The rules of the Web Content Accessibility Guidelines 2.2, levels A and AA; and those of them that are about colour,
#: which is all that differs from theme to theme.
RULES: Final = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
COLOUR_RULES: Final = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

expect.set_options(timeout=PATIENCE)


class Look:
    """One page on one application. At its end nothing may have gone wrong in it that was not allowed.

    Attributes:
        page: the page.
        url: the application's address.
        allowed: parts of messages that are no faults, such as ``"409"`` for a request that is to be refused.
        faults: what went wrong: errors on the console, exceptions, broken rules of the content security policy,
            requests to other hosts, dialogs of the browser.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.allowed: list[str] = []
        self.faults: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("dialog", self._dismiss)
        page.on("request", self._note)

    async def open(self, path: str, **query: str) -> Locator:
        """Open a screen by its path and return its heading, which is there."""
        words = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        await self.page.goto(f"{self.url}/{path}{'?' if words else ''}{words}", wait_until="domcontentloaded")
        heading = self.page.get_by_role("heading", level=1)
        await expect(heading).to_be_visible()
        return heading

    async def open_queue(self, queue: str, tab: str = "", **query: str) -> Locator:
        """Open the screen of a queue."""
        return await self.open(f"queues/{queue}/{tab}".rstrip("/"), **query)

    async def open_job(self, queue: str, job_id: str, view: str = "") -> Locator:
        """Open the screen of a job, or of its flow."""
        return await self.open(f"queues/{queue}/jobs/{quote(job_id, safe='')}/{view}".rstrip("/"))

    # ---- finding things ------------------------------------------------------------------------------------------

    @property
    def main(self) -> Locator:
        """Return the content of the screen, without what is around every screen."""
        return self.page.get_by_role("main")

    @property
    def dialog(self) -> Locator:
        """Return the dialog that is open."""
        return self.page.get_by_role("dialog")

    def button(self, name: str, *, within: Locator | None = None, exact: bool = True) -> Locator:
        """Return a button by its name."""
        return (within or self.main).get_by_role("button", name=name, exact=exact)

    def table(self, name: str) -> Locator:
        """Return a table by its name."""
        return self.page.get_by_role("table", name=name)

    def rows(self, table: Locator) -> Locator:
        """Return the rows of a table but for its head."""
        return table.locator("tbody").get_by_role("row")

    async def says(self, text: str) -> None:
        """Wait for a message of the dashboard that has a text in it, and put it away."""
        messages = self.page.get_by_role("region", name="Messages")
        message = messages.locator(".toast").filter(has_text=text)
        await expect(message.first).to_be_visible()
        await message.first.get_by_role("button", name="Dismiss").click()

    async def choose(self, menu: str, item: str, *, within: Locator | None = None) -> None:
        """Open a menu and choose something of it."""
        await self.button(menu, within=within).click()
        await self.page.get_by_role("menuitem", name=item).click()

    # ---- judging -------------------------------------------------------------------------------------------------

    async def theme(self, theme: Theme) -> None:
        """Have the system prefer a theme, which the page follows."""
        await self.page.emulate_media(color_scheme=theme)

    async def is_accessible(self, rules: dict[str, Any] = RULES) -> None:
        """Fail where axe finds that the page breaks one of the rules in a serious way."""
        await self.page.evaluate(f"() => {{ if (!window.axe) {{ {axe_source()} }} }}")
        found: list[dict[str, Any]] = await self.page.evaluate(
            """async (rules) => {
                const options = { runOnly: rules, resultTypes: ["violations"] };
                const { violations } = await window.axe.run(document, options);
                const some = (nodes) => nodes.slice(0, 3).map(({ html, failureSummary }) => [html, failureSummary]);
                return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: some(nodes) }));
            }""",
            rules,
        )
        serious = [violation for violation in found if violation["impact"] in ("serious", "critical")]
        assert not serious, f"{self.page.url}: {json.dumps(serious, indent=1)}"

    async def fits(self) -> None:
        """Fail where the page is wider than the window."""
        wide: list[str] = await self.page.evaluate(
            """() => {
                const width = document.documentElement.clientWidth;
                if (document.documentElement.scrollWidth <= width) return [];
                return [...document.querySelectorAll("body *")]
                    .filter((element) => element.getBoundingClientRect().right > width + 1)
                    .slice(0, 5)
                    .map((element) => element.outerHTML.slice(0, 160));
            }"""
        )
        assert not wide, f"{self.page.url} is wider than the window: {wide}"

    async def picture(self, name: str) -> Path:
        """Keep a picture of what the window shows."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        await self.page.screenshot(path=path, animations="disabled", caret="hide")
        return path

    async def is_harmless(self) -> None:
        """Fail where something of the hostile corpus was executed."""
        state = await self.page.evaluate(
            "() => [window.__pwned ?? null, ({}).polluted ?? null, document.scripts.length]"
        )
        assert state[:2] == [None, None], f"{self.page.url}: something hostile was executed: {state}"
        assert state[2] == 1, f"{self.page.url}: a script was added to the page"

    def verdict(self) -> None:
        """Fail where something went wrong that was not allowed."""
        faults = [fault for fault in self.faults if not any(part in fault for part in self.allowed)]
        assert not faults, "\n".join(faults[:10])

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type} on the console: {message.text} ({message.location.get('url')})")

    async def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(f"a dialog of the browser: {dialog.message}")
        await dialog.dismiss()

    def _note(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != urlsplit(self.url).netloc:
            self.faults.append(f"a request to another host: {request.url}")


@asynccontextmanager
async def looking(browser: Browser, url: str, *, size: tuple[int, int] = DESKTOP) -> AsyncGenerator[Look]:
    """Open a page in a context of its own, which shares nothing with others."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Berlin",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(PATIENCE)
    try:
        yield Look(await context.new_page(), url)
    finally:
        await context.close()
