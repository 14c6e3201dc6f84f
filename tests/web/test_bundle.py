"""The dashboard as it is packed: small, complete, and loading nothing from elsewhere."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

BUNDLE = Path(str(files("oxmq.web") / "dashboard"))
FIRST_LOAD_AT_MOST = 200 * 1024
EXPECTED = re.compile(
    r"index\.html|source\.sha256|licenses\.txt(\.br|\.gz)?"
    r"|assets/[A-Za-z0-9_-]+-[A-Za-z0-9_-]{8}\.(js|css|svg)(\.br|\.gz)?"
)
#: Addresses that are names, not places: an XML namespace.
NAMES = ("http://www.w3.org/",)

pytestmark = pytest.mark.skipif(not BUNDLE.is_dir(), reason="oxmq was installed with OXMQ_DASHBOARD=skip")


@pytest.fixture
def page() -> str:
    return (BUNDLE / "index.html").read_text(encoding="utf-8")


def sent(name: str) -> int:
    """Return how many bytes travel for a file: of its Brotli form where there is one."""
    compressed = BUNDLE / f"{name}.br"
    return (compressed if compressed.exists() else BUNDLE / name).stat().st_size


def first_load(page: str) -> list[str]:
    return [address.removeprefix("./") for address in re.findall(r'(?:src|href)="(\./[^"]+)"', page)]


def test_contains_only_what_belongs_there() -> None:
    found = {path.relative_to(BUNDLE).as_posix() for path in BUNDLE.rglob("*") if path.is_file()}
    assert {name for name in found if not EXPECTED.fullmatch(name)} == set()


def test_first_load_is_small(page: str) -> None:
    needed = first_load(page)
    assert any(name.endswith(".js") for name in needed)
    assert any(name.endswith(".css") for name in needed)
    assert sum(sent(name) for name in needed) + len(page) <= FIRST_LOAD_AT_MOST


def test_page_leaves_its_address_to_the_server(page: str) -> None:
    assert '<base href="__BASE__" />' in page
    assert not re.findall(r'(?:src|href)="(?!\./|__BASE__)', page)


def test_page_satisfies_a_strict_policy(page: str) -> None:
    assert not re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", page)


def test_nothing_is_fetched_from_elsewhere() -> None:
    for path in [*BUNDLE.rglob("*.css"), *BUNDLE.rglob("*.js"), *BUNDLE.rglob("*.html")]:
        addresses = re.findall(r"https?://[^\"'`\s)\\]+", path.read_text(encoding="utf-8"))
        assert [address for address in addresses if not address.startswith(NAMES)] == [], path.name


def test_text_is_never_put_in_as_html() -> None:
    for path in BUNDLE.rglob("*.js"):
        assert "insertAdjacentHTML" not in path.read_text(encoding="utf-8"), path.name
        assert "document.write" not in path.read_text(encoding="utf-8"), path.name


def test_every_text_is_compressed_beforehand() -> None:
    plain = [path for path in (BUNDLE / "assets").iterdir() if path.suffix in {".js", ".css"}]
    large = [path for path in plain if path.stat().st_size >= 1024]
    assert [path.name for path in large if not path.with_name(f"{path.name}.br").exists()] == []
    assert [path.name for path in large if not path.with_name(f"{path.name}.gz").exists()] == []


def test_licences_of_packages_are_included() -> None:
    licences = (BUNDLE / "licenses.txt").read_text(encoding="utf-8")
    for package in ("preact", "@preact/signals", "lucide"):
        assert re.search(rf"^{package} \d", licences, re.MULTILINE)
