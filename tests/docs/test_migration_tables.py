"""The tables for those who migrate: each name of oxmq in them exists, with its parameters, commands and options."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

import oxmq
from oxmq.states import CONTAINERS
from oxmq.task import Task
from tests.docs.commands import Command, check_options
from tests.docs.roster import name_of, pages
from tools.own_names import UnknownNameError, look_up

#: How `look_up` calls a task.
TASK: Final = f"task.{Task.__name__}"
#: What the variables in the tables stand for.
VARIABLES: Final = {
    **dict.fromkeys(("a", "b", "f", "task"), TASK),
    "app": "Oxmq",
    "job": "Job",
    "queue": "Queue",
    "worker": "Worker",
}
#: What calls return, where the table goes on from there.
RETURNED: Final = {"current_job": "Job", f"{TASK}.options": TASK}
#: What takes the keyword arguments of the reader's own function.
FORWARDING: Final = {f"{TASK}.enqueue", f"{TASK}.enqueue_sync", f"{TASK}.call"}
#: Arguments that stand for the reader's own.
PLACEHOLDERS: Final = {"data", "delta", "id", "int", "m", "name", "opts", "process", "seconds", "url", "x"}
#: Who takes what a table shows as a name alone: a method, an attribute, a parameter.
TAKERS: Final = ("Oxmq", "Oxmq.task", TASK, f"{TASK}.options", "Queue", "QueueEvents", "Worker")
#: Python, not oxmq.
PLAIN: Final = {"async for"}
_SPAN: Final = re.compile(r"`([^`]+)`")
_BAR: Final = re.compile(r"(?<!\\)\|")


@pytest.mark.parametrize("page", pages("migration"), ids=name_of)
def test_what_the_table_names_exists(page: Path) -> None:
    spans = list(ours(page.read_text(encoding="utf-8")))
    assert len(spans) > 15
    before = ""
    for line, span in spans:
        try:
            check(before if span.startswith(".") else "", span)
        except (UnknownNameError, ValueError, SyntaxError) as error:
            pytest.fail(f"{name_of(page)}:{line}: `{span}`: {error}")
        before = span.rpartition(".")[0]


@pytest.mark.parametrize(
    "span",
    [
        "queue.addd(1)", "Worker(concurency=1)", "every(60, times=3)", "oxmq jobs retry", "--concurency 8", "attempt=4",
        '@app.on("fail")', "raise Unrecoverabl()", "current_job().attempts", "enqueue_all",
        "task.options(wait=1).enqueue()",
    ],
)  # fmt: skip
def test_what_does_not_exist_is_found(span: str) -> None:
    with pytest.raises((UnknownNameError, ValueError)):
        check("", span)


def ours(page: str) -> list[tuple[int, str]]:
    """Return the code in the second column of the page's first table, with the line in which each stands."""
    rows = [(number, row) for number, row in enumerate(page.splitlines(), 1) if row.startswith("| ")]
    return [(number, span) for number, row in rows for span in _SPAN.findall(_BAR.split(row)[2])]


def check(before: str, span: str) -> None:
    """Raise an error where a piece of code names something that oxmq does not have."""
    if span in PLAIN or span in CONTAINERS:
        return
    if span.startswith(("oxmq ", "--")):
        typed = span if span.startswith("oxmq ") else f"oxmq worker app:app {span}"
        check_options(Command(typed, "", 0))
    elif re.fullmatch(r"\w+(?:\(.*\))?", span) and not hasattr(oxmq, span.partition("(")[0]):
        _taken(span.partition("(")[0])
    elif re.match(r"\w+=", span):
        _check_keywords(span)
    else:
        _Names().visit(ast.parse(_as_statement(before + span)))


def _as_statement(span: str) -> str:
    """Return a piece of code as a whole statement."""
    if re.match(r"(?:async )?def |@", span):
        decorated = re.sub(r" ((?:async )?def )", r"\n\1", span) if span.startswith("@") else span
        return f"{decorated}: ..." if "def " in span else f"{span}\ndef f(): ..."
    return span


def _check_keywords(span: str) -> None:
    whole = re.sub(r"=$", "=...", span)
    call = ast.parse(f"f({whole})", mode="eval").body
    assert isinstance(call, ast.Call)
    for keyword in call.keywords:
        _taken(str(keyword.arg))
        _Names().visit(keyword.value)


def _taken(name: str) -> None:
    """Find a name alone at one of those who could have it."""
    for taker in TAKERS:
        for way in (f"{taker}.{name}", f"{taker}({name})"):
            try:
                look_up(way)
            except UnknownNameError:
                continue
            return
    raise UnknownNameError(name)


class _Names(ast.NodeVisitor):
    """Look up each name of a statement."""

    def visit_Name(self, node: ast.Name) -> None:
        if node.id not in PLACEHOLDERS and node.id not in VARIABLES:
            look_up(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        look_up(_path(node))

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        path = _path(node.func)
        for keyword in node.keywords if path not in FORWARDING else ():
            look_up(f"{path}({keyword.arg})")
        if path.endswith(".on"):
            event = node.args[0]
            assert isinstance(event, ast.Constant)
            look_up(f'{path}("{event.value!s}")')


def _path(node: ast.expr) -> str:
    """Return how `look_up` calls an expression."""
    if isinstance(node, ast.Name):
        return VARIABLES.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_path(node.value)}.{node.attr}"
    if isinstance(node, ast.Call):
        path = _path(node.func)
        return RETURNED.get(path, path)
    raise ValueError(f"{ast.unparse(node)}: not written as a name")
