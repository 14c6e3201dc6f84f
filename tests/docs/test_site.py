"""The site: it builds without a complaint, documents every public name, and fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import griffe
import pytest
from playwright.async_api import async_playwright

from tests.browser.conftest import ARGUMENTS
from tests.docs.roster import DOCS, ROOT
from tools.setup_browser import present
from tools.site_sources import rewrite, shown
from tools.site_tables import with_plain_bars

#: The modules whose names are public.
MODULES: Final = (
    "oxmq", "oxmq.sync", "oxmq.web", "oxmq.testing", "oxmq.telemetry", "oxmq.outbox.sqlalchemy", "oxmq.outbox.django",
    "oxmq.integrations.fastapi", "oxmq.integrations.flask", "oxmq.integrations.django",
)  # fmt: skip
#: Public functions and classes that no page of the reference need have.
ELSEWHERE: Final = {"oxmq.testing.ManualClock", "oxmq.outbox.sqlalchemy.SqlBatch", "oxmq.outbox.sqlalchemy.SqlStore"}
#: Pages that a browser opens, and what each shows.
SHOWN: Final = {"": "Quick start", "explanation/lifecycle/": "hand_back", "reference/api/queues/": "add_bulk"}
#: What makes a browser fetch something.
_FETCHED: Final = re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*?\ssrc=\"?([^\"\s>]+)|<link\b[^>]*>")
_IN_STYLES: Final = re.compile(r"(?:@import\s+|url\()[\"']?((?:https?:)?//[^\"')]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Serve the site."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_page_is_in_the_site(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        inner = page.relative_to(DOCS).with_suffix("")
        folder = inner.parent if inner.name in ("README", "index") else inner
        assert (site / folder / "index.html").exists(), page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'class="mermaid"' not in text, page
        fetched = [found[1] or found[0] for found in _FETCHED.finditer(text) if 'rel="canonical"' not in found[0]]
        assert [each for each in fetched if re.search(r"(?:^|=\"?)(?:https?:)?//", each)] == [], page
    for style in site.rglob("*.css"):
        assert _IN_STYLES.findall(style.read_text(encoding="utf-8")) == [], style


def test_every_public_name_is_documented(site: Path) -> None:
    documented = names_in((site / "objects.inv").read_bytes())
    package = griffe.load("oxmq", search_paths=[ROOT / "src"])
    missing = [
        f"{module}.{name}"
        for module in MODULES
        for name in public(package, module)
        if f"{module}.{name}" not in documented
    ]
    assert [name for name in missing if name not in ELSEWHERE] == []


def names_in(inventory: bytes) -> set[str]:
    """Return the names that an inventory of objects lists."""
    *_, packed = inventory.split(b"\n", 4)
    return {line.split(" ", 1)[0] for line in zlib.decompress(packed).decode().splitlines()}


# Any: griffe's objects and aliases share no type that has all of this.
def public(package: Any, path: str) -> list[str]:
    """Return what a module exports; where it does not say, the classes and functions that it defines."""
    module = package if path == package.path else package[path.removeprefix(f"{package.path}.")]
    if module.exports is not None:
        return [str(name) for name in module.exports]
    return [
        name
        for name, member in module.members.items()
        if not name.startswith("_") and not member.is_alias and (member.is_class or member.is_function)
    ]


async def test_a_browser_asks_nobody_else_and_has_nothing_to_complain_of(address: str) -> None:
    program = present()
    assert program is not None, "run tools/setup_browser.py"
    asked, complaints = list[str](), list[str]()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = await browser.new_page(color_scheme="dark")
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for path, shows in SHOWN.items():
            await page.goto(f"{address}/{path}", wait_until="networkidle")
            assert shows in await page.inner_text("article")
        await browser.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert complaints == []


def test_a_file_outside_the_documentation_gets_a_page() -> None:
    found = list[Path]()
    text = "[a](../../examples/flow.py) [b](../how-to/flows.md) [c](../../nowhere.py) [d](../../deploy#x)"
    led = rewrite(text, "how-to/flows.md", found.append)
    assert led == (
        "[a](../source/examples/flow.py.md) [b](../how-to/flows.md) [c](../../nowhere.py) [d](../source/deploy.md#x)"
    )
    assert found == [ROOT / "examples" / "flow.py", ROOT / "deploy"]
    assert "```python\n" in shown(found[0])
    assert "* `compose.yaml`" in shown(found[1])


def test_code_in_tables_may_have_bars() -> None:
    assert with_plain_bars("| `a \\| b` | c \\| d |\n`a \\| b`") == "| `a | b` | c \\| d |\n`a \\| b`"
