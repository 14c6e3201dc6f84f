"""Know the pages of the documentation, by the test that runs them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"


def pages(*parts: str) -> list[Path]:
    """Return the pages of some folders of the documentation; of no folder, those that are in none."""
    if not parts:
        return sorted(DOCS.glob("*.md"))
    return sorted(page for part in parts for page in (DOCS / part).rglob("*.md"))


def name_of(page: Path) -> str:
    """Return the name under which a test of a page runs."""
    return str(page.relative_to(ROOT))
