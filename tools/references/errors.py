"""Write the tree of errors, from the module that defines them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from oxmq import errors
from oxmq.errors import JobError, OxmqError, job_error
from tools.page_part import table

_CODES = range(-1, -14, -1)
#: A line of the tree in the module's docstring: the class, and whether it may have happened.
_LINE = re.compile(r"^[\s│├└─]*([A-Z]\w+) +(.+)$", re.MULTILINE)


def part() -> str:
    """Return the table of all errors, and that of the codes."""
    happened = dict[str, str](_LINE.findall(errors.__doc__ or ""))
    rows = (_row(kind, depth, happened) for kind, depth in tree(OxmqError, 0))
    return "\n".join([
        *table(("class", "what it says", "may it have happened?"), rows),
        *("### Codes", "", "A script refuses with a negative number; the error that is raised has it as `code`.", ""),
        *table(("code", "error", "message"), map(_code, _CODES)),
    ])  # fmt: skip


def tree(kind: type[OxmqError], depth: int) -> Iterator[tuple[type[OxmqError], int]]:
    """Yield a class and all below it, in the order of the module, each with its depth."""
    yield kind, depth
    order = [each for each in vars(errors).values() if inspect.isclass(each)]
    for below in sorted((each for each in kind.__subclasses__() if each in order), key=order.index):
        yield from tree(below, depth + 1)


def _row(kind: type[OxmqError], depth: int, happened: dict[str, str]) -> tuple[str, ...]:
    link = f"[`{kind.__name__}`](api/errors.md#oxmq.{kind.__name__})"
    words = " ".join((inspect.getdoc(kind) or "").split())
    return f"{'&emsp;' * depth}{link}", _linked(words), _answer(kind, happened)


def _answer(kind: type[OxmqError], happened: dict[str, str]) -> str:
    """Return "no", "perhaps" or "yes" with its reason, of the class or of one above it."""
    for each in kind.__mro__:
        said = re.match(r"(no|perhaps|yes): (.+)", happened.get(each.__name__, ""))
        if said is not None:
            return f"**{said[1]}**: {said[2]}" if each is kind else f"**{said[1]}**"
    return ""


def _code(code: int) -> tuple[str, ...]:
    error: JobError = job_error(code, job_id="ID", queue="NAME", operation="OPERATION", state="STATE", parent="PARENT")
    name = type(error).__name__
    return f"`{code}`", f"[`{name}`](api/errors.md#oxmq.{name})", f"{error}"


def _linked(words: str) -> str:
    return words.replace("``", "`")
