"""Find the blocks of code in a page of the documentation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

_PARSER = MarkdownIt("commonmark")
#: What is indented below one of these is Markdown of its own: an admonition, a tab.
_CONTAINER = re.compile(r"(?:!!!|\?\?\?\+?|===[!+]?) ")
_FRAGMENT = re.compile(r"<!-- fragment:\s*(.+?)\s*-->", re.DOTALL)
_RUN_BY = re.compile(r"<!-- run by (\S+) -->")
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)


class PageError(ValueError):
    """Say that a page breaks a convention of the documentation; the message names the line."""


class Block(Struct, frozen=True):
    """Hold one block of code.

    Attributes:
        kind: the language: the first word behind the fence.
        text: the code.
        line: the line of the page that the code begins at, from 1.
        flags: the further words behind the fence, such as ``theirs``.
        title: the file that the block is saved as; None where it is none.
        fragment: why it cannot run; None where it can.
    """

    kind: str
    text: str
    line: int
    flags: frozenset[str] = frozenset()
    title: str | None = None
    fragment: str | None = None


def find_blocks(text: str) -> list[Block]:
    """Return the blocks of a page, in order.

    Raises:
        PageError: a fence names no language, or a remark above it is none that is known.
    """
    return list(_blocks(text, 0))


def run_by(text: str) -> str | None:
    """Return the test that runs a page's samples in place of the runner; None where there is none."""
    found = _RUN_BY.search(text)
    return found[1] if found else None


def _blocks(text: str, offset: int) -> Iterator[Block]:
    previous: Token | None = None
    for token in _leaves(_PARSER.parse(text)):
        line = offset + (token.map[0] if token.map else 0) + 1
        if token.type == "fence":
            yield _block(token, line, _fragment(previous, line))
        elif token.type == "code_block" and _opens_container(previous):
            yield from _blocks(token.content, line - 1)
        elif _opens_container(token) and _FENCE.search(token.content):
            raise PageError(f"line {line}: leave a line free between {token.content.splitlines()[0]!r} and the block")
        previous = token


def _leaves(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield the tokens that have a text."""
    return (token for token in tokens if token.type in ("fence", "code_block", "html_block", "inline"))


def _opens_container(token: Token | None) -> bool:
    return token is not None and token.type == "inline" and any(map(_CONTAINER.match, token.content.splitlines()))


def _fragment(previous: Token | None, line: int) -> str | None:
    if previous is None or previous.type != "html_block" or "fragment" not in previous.content:
        return None
    reason = _FRAGMENT.search(previous.content)
    if reason is None:
        raise PageError(f"line {line}: write <!-- fragment: why it cannot run -->, not {previous.content.strip()!r}")
    return reason[1]


def _block(token: Token, line: int, fragment: str | None) -> Block:
    kind, *words = shlex.split(token.info.replace("{", " ").replace("}", " ")) or [""]
    if not kind:
        raise PageError(f"line {line}: say behind the fence what language the block is in")
    titles = [word.removeprefix("title=") for word in words if word.startswith("title=")]
    flags = frozenset(word for word in words if "=" not in word)
    # The code begins on the line below the fence.
    return Block(kind, token.content, line + 1, flags, titles[0] if titles else None, fragment)
