"""What docstrings show: it compiles, and uses names that oxmq has."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
import textwrap
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Final, cast

import pytest

import oxmq

#: Public classes and functions whose docstrings show how they are used.
SHOWN: Final = (
    "oxmq.Oxmq", "oxmq.Queue", "oxmq.Worker", "oxmq.FlowProducer", "oxmq.QueueEvents", "oxmq.Kubernetes", "oxmq.every",
    "oxmq.cron", "oxmq.sync.Queue", "oxmq.sync.FlowProducer", "oxmq.sync.QueueEvents", "oxmq.testing.inline",
    "oxmq.testing.run_until_idle", "oxmq.telemetry.OpenTelemetry",
)  # fmt: skip
#: What an example may take for granted: an application, and the task of the first example.
GIVEN: Final = {"app", "send"}
_BLOCK: Final = re.compile(r"::\n\n((?:(?: {4}.*)?\n)+)")


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_uses_what_there_is(name: str) -> None:
    module = import_module(name.rpartition(".")[0])
    # Any: classes and functions alike have docstrings.
    documented = cast("Callable[..., Any]", getattr(module, name.rpartition(".")[2]))
    blocks = [textwrap.dedent(found[1]) for found in _BLOCK.finditer(f"{inspect.getdoc(documented)}\n")]
    assert blocks
    trees = [compile(each, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT) for each in blocks]
    assert unknown_names([node for tree in trees for node in ast.walk(tree)], module) == set()


def unknown_names(nodes: list[ast.AST], module: ModuleType) -> set[str]:
    """Return the names that a program uses, and neither it nor Python nor a module of oxmq defines."""
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    made = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    defined = {node.name for node in nodes if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return used - made - defined - arguments - GIVEN - {*dir(builtins), *oxmq.__all__, *public_names(module)}


def public_names(module: ModuleType) -> list[str]:
    """Return what a module exports."""
    return cast("list[str]", module.__all__)
