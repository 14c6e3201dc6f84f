"""Let code in tables have bars: a hook of MkDocs. Code hosts want them escaped there, and this parser does not."""

from __future__ import annotations

import re
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_ROW: Final = re.compile(r"^\|.*$", re.MULTILINE)
_CODE: Final = re.compile(r"`[^`\n]+`")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page with plain bars in the code of its tables."""
    return with_plain_bars(markdown)


def with_plain_bars(markdown: str) -> str:
    """Take the backslash from before each bar that is in code, in a row of a table."""
    return _ROW.sub(lambda row: _CODE.sub(lambda code: code[0].replace("\\|", "|"), row[0]), markdown)
