"""Make docstrings ready for the site: an extension of griffe.

A name in backticks leads to where it is documented, and what follows ``::`` is a block of Python.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import griffe

#: The modules whose public names have pages.
PUBLIC: Final = ("oxmq", "oxmq.web", "oxmq.testing", "oxmq.telemetry", "oxmq.integrations.flask", "oxmq.sync")
_NAME: Final = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)(\(\))?`(?!`)")
_LITERAL: Final = re.compile(r"::\n\n((?:[ ]{4,}.*\n|\n)*(?:[ ]{4,}.*(?:\n|$)))")


class Docstrings(griffe.Extension):
    """Rewrite the docstrings of a package when all of it is loaded."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:  # noqa: ANN401 - whatever griffe adds
        """Rewrite every docstring of the package."""
        known = dict(_public_names(pkg))
        for documented in _objects(pkg):
            if documented.docstring is not None:
                documented.docstring.value = _with_blocks(_linked(documented.docstring.value, documented, known))


def _public_names(package: griffe.Module) -> Iterator[tuple[str, str]]:
    """Yield each name that may be written, and the address of its documentation; the first one counts."""
    for module in reversed(PUBLIC):
        inner = package if module == package.path else package[module.removeprefix(f"{package.path}.")]
        for name in inner.exports or ():
            text = str(name)
            yield text, f"{module}.{text}"
            for member in _members(inner, text):
                yield f"{text}.{member}", f"{module}.{text}.{member}"


def _members(module: griffe.Module, name: str) -> list[str]:
    found: Any = module[name]
    found = found.final_target if found.is_alias else found
    if not found.is_class:
        return []
    return [name for name, member in found.all_members.items() if not name.startswith("_") and member.has_docstring]


def _objects(inside: griffe.Object) -> Iterator[griffe.Object]:
    yield inside
    for member in inside.members.values():
        if not member.is_alias:
            assert isinstance(member, griffe.Object)
            yield from _objects(member)


def _linked(text: str, where: griffe.Object, known: dict[str, str]) -> str:
    """Return a docstring whose names lead to their pages; a method's name alone means that of the same class."""
    owner = where if where.is_class else where.parent

    def lead(found: re.Match[str]) -> str:
        name = found[1]
        address = known.get(name) or (known.get(f"{owner.name}.{name}") if owner is not None else None)
        code = f"`{name}{found[2] or ''}`"
        return code if address is None else f"[{code}][{address}]"

    return _NAME.sub(lead, text)


def _with_blocks(text: str) -> str:
    def fenced(found: re.Match[str]) -> str:
        return f":\n\n```python\n{textwrap.dedent(found[1]).strip()}\n```\n"

    return _LITERAL.sub(fenced, text)
