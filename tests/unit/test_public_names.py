"""The public names: sorted, importable, and complete."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import oxmq
import oxmq.sync
from oxmq import errors

modules = pytest.mark.parametrize("module", [oxmq, oxmq.sync], ids=["oxmq", "oxmq.sync"])


@modules
def test_names_are_sorted_and_can_be_imported(module: ModuleType) -> None:
    assert module.__all__ == sorted(set(module.__all__))
    assert all(hasattr(module, name) for name in module.__all__)


def test_what_type_checkers_see_is_what_the_interpreter_finds_and_what_is_public() -> None:
    seen = {
        statement.module: tuple(alias.name for alias in statement.names)
        for statement in ast.walk(ast.parse(inspect.getsource(oxmq)))
        if isinstance(statement, ast.ImportFrom) and (statement.module or "") in oxmq._HOMES  # pyright: ignore[reportPrivateUsage] - see below
    }
    assert seen == oxmq._HOMES  # pyright: ignore[reportPrivateUsage] - the table that the test is about
    assert sorted(name for names in seen.values() for name in names) == oxmq.__all__
    assert set(oxmq.__all__) <= set(dir(oxmq))


def test_a_name_that_there_is_not_is_told() -> None:
    with pytest.raises(AttributeError, match="module 'oxmq' has no attribute 'Quque'"):
        _ = oxmq.Quque  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue] - this is the test


@pytest.mark.parametrize(
    ("statement", "not_imported"),
    [
        ("import oxmq", ["asyncio", "redis", "msgspec", "oxmq.app"]),
        ("from oxmq import Oxmq, Queue, FlowProducer", ["redis", "oxmq.worker.worker", "oxmq.kubernetes.follower"]),
        ("from oxmq import Worker", ["redis", "fastapi", "rich", "kubernetes_asyncio", "opentelemetry"]),
    ],
)
def test_an_import_brings_only_what_it_needs(statement: str, not_imported: list[str]) -> None:
    code = f"{statement}; import sys; print([name for name in {not_imported} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@modules
def test_every_name_says_what_it_is(module: ModuleType) -> None:
    assert [name for name in module.__all__ if not inspect.getdoc(getattr(module, name))] == []


def test_every_error_is_public() -> None:
    classes = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == "oxmq.errors"}
    assert classes <= set(oxmq.__all__)


def test_whatever_talks_to_redis_has_a_blocking_twin() -> None:
    asking = {name for name in oxmq.__all__ if getattr(oxmq, name).__module__.startswith("oxmq.client")}
    assert asking <= set(oxmq.sync.__all__)


@pytest.mark.parametrize("name", ["FlowProducer", "Job", "Queue", "QueueEvents"])
def test_the_blocking_twin_has_the_same_methods(name: str) -> None:
    def methods(kind: type[object]) -> dict[str, list[str]]:
        return {
            method: list(inspect.signature(function).parameters)
            for method, function in inspect.getmembers(kind, inspect.isfunction)
            if not method.startswith("_")
        }

    assert methods(getattr(oxmq.sync, name)) == methods(getattr(oxmq, name))
