"""Know the pages that are written from the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tools.page_part import ROOT
from tools.references import errors, events, keys, options, scripts


class Written(NamedTuple):
    """Hold one page: its file, and what gives the part that a program writes."""

    file: Path
    part: Callable[[], str]

    @property
    def tool(self) -> str:
        """Return the name of the module, as the page names it."""
        return f"references/{self.file.stem}"


FOLDER: Final = ROOT / "docs" / "reference"
PAGES: Final = tuple(
    Written(FOLDER / f"{module.__name__.rpartition('.')[2]}.md", module.part)
    for module in (errors, events, keys, options, scripts)
)
