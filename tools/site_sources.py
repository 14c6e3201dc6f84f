"""Show the files of the repository that pages link to, such as examples, on pages of the site: a hook of MkDocs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parent.parent
#: Links out of the folder of the documentation; what is behind ``#`` is kept.
_OUTSIDE: Final = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)((?:#[^)\s]*)?\))")
_DRAWING: Final = re.compile(r'<img [^>]*src="[^"]*assets/([\w-]+\.svg)"[^>]*>')
_LANGUAGES: Final = {
    ".py": "python",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".lua": "lua",
    ".md": "markdown",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file that a page links to and that is not in the folder of the documentation."""
    wanted: set[Path] = set()
    for file in files.documentation_pages():
        rewrite(file.content_string, file.src_uri, wanted.add)
    for target in sorted(wanted):
        files.append(File.generated(config, page_of(target), content=shown(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to such files to their pages."""
    return rewrite(markdown, page.file.src_uri, lambda _: None)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put drawings into the page itself: only there they follow its colours."""

    def put(found: re.Match[str]) -> str:
        return f'<div class="drawing">{(ROOT / "docs" / "assets" / found[1]).read_text(encoding="utf-8")}</div>'

    return _DRAWING.sub(put, html)


def rewrite(markdown: str, source: str, found: Callable[[Path], object]) -> str:
    """Return a page with its links out of the documentation led to the site's own pages, and tell `found` of each."""

    def lead(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(source), link[2]))
        target = ROOT / path
        if path.startswith(("docs/", "../")) or not target.exists():
            return link[0]
        found(target)
        return f"{link[1]}{posixpath.relpath(page_of(target), posixpath.dirname(source))}{link[3]}"

    return _OUTSIDE.sub(lead, markdown)


def page_of(target: Path) -> str:
    """Return the address of the page that shows a file or a folder."""
    return f"source/{target.relative_to(ROOT)}.md"


def shown(target: Path) -> str:
    """Return a page with a file's text, or the names of what is in a folder."""
    title = f"# {target.relative_to(ROOT)}\n\n"
    if target.is_dir():
        inside = sorted(file for file in target.rglob("*") if file.is_file())
        return title + "".join(f"* `{file.relative_to(target)}`\n" for file in inside)
    text = target.read_text(encoding="utf-8")
    fence = "`" * (max((len(run) for run in re.findall("`{3,}", text)), default=2) + 1)
    return f"{title}{fence}{_LANGUAGES.get(target.suffix, 'text')}\n{text.rstrip()}\n{fence}\n"
