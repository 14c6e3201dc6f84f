"""Take the pictures of the dashboard for the README: `python tools/screenshots.py` writes `docs/screenshots/*.png`.

They show the world of the tests in `tests/browser`: real workers, a real Redis, a real browser.
"""

from __future__ import annotations

import asyncio
import linecache
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple, cast

from PIL import Image
from playwright.async_api import Browser, async_playwright, expect

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# Run as a program, this file finds its neighbours only now.
from tests.browser import shop  # noqa: E402 - see above
from tests.browser.conftest import ARGUMENTS  # noqa: E402 - see above
from tests.browser.looking import DESKTOP, PHONE, Theme, looking  # noqa: E402 - see above
from tests.browser.world import World, inhabited  # noqa: E402 - see above
from tools.setup_browser import present  # noqa: E402 - see above

FOLDER: Final = ROOT / "docs" / "screenshots"
#: Where the shop's tasks seem to lie: stack traces are in the pictures.
SEEMS: Final = "/srv/shop/tasks.py"
COLOURS: Final = 256
MOST_BYTES: Final = 120 * 1024


class Picture(NamedTuple):
    """One picture: its file, the screen, with ids of the world's jobs in braces, what is there at the end."""

    name: str
    path: str
    shows: str
    theme: Theme = "light"
    size: tuple[int, int] = DESKTOP


PICTURES: Final = (
    Picture("overview-light", "", "webhooks"),
    Picture("overview-dark", "", "webhooks", "dark"),
    Picture("job", "queues/email/jobs/{failed}", "greylisted", "dark"),
    Picture("flow", "queues/reports/jobs/{report}/flow", "read_orders"),
    Picture("failures", "failures", "GreylistedError", "dark"),
    Picture("schedules", "schedules", "daily-report"),
    Picture("phone", "", "webhooks", "dark", PHONE),
)


async def main() -> int:
    """Take every picture; return 1 where one is too large."""
    logging.disable(logging.WARNING)  # the shop's jobs fail on purpose
    program = present()
    if program is None:
        raise SystemExit("no Chromium here: run tools/setup_browser.py")
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with async_playwright() as playwright, inhabited(_shop(), hostile=False) as world:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        sizes = [await _take(browser, world, picture) for picture in PICTURES]
        await browser.close()
    return 1 if max(sizes) > MOST_BYTES else 0


async def _take(browser: Browser, world: World, picture: Picture) -> int:
    async with looking(browser, world.url, size=picture.size) as look:
        await look.theme(picture.theme)
        await look.open(picture.path.format(**world.ids))
        await expect(look.main.get_by_text(picture.shows).filter(visible=True).first).to_be_visible()
        await expect(look.page.get_by_text("Live", exact=True)).to_be_visible()
        return _shrink(await look.picture(picture.name))


def _shrink(raw: Path) -> int:
    """Write a picture with few colours, and return how many bytes it takes."""
    path = FOLDER / raw.name
    with Image.open(raw) as image:
        # Rare colours, such as that of a small dot, count as much as those of large areas; then each is made exact.
        palette = Image.Quantize.MAXCOVERAGE
        small = image.convert("RGB").quantize(COLOURS, method=palette, kmeans=3, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size / 1024:.0f} KiB{' (too large)' if size > MOST_BYTES else ''}")
    return size


def _shop() -> shop.Shop:
    """Return the shop as if its tasks lay in `SEEMS`."""
    source = Path(shop.__file__).read_text(encoding="utf-8")
    linecache.cache[SEEMS] = (len(source), None, source.splitlines(keepends=True), SEEMS)
    module = ModuleType("tasks")
    exec(compile(source, SEEMS, "exec"), module.__dict__)  # noqa: S102 - it is our own file
    return cast("shop.Shop", module.Shop())


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
