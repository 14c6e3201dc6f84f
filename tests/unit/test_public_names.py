"""The public names: sorted, importable, and complete."""

from __future__ import annotations

import inspect
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


def test_whatever_the_package_imports_of_its_own_is_public() -> None:
    public = {name for name, value in vars(oxmq).items() if not name.startswith("_") and defined_by_us(value)}
    assert public == set(oxmq.__all__)


def defined_by_us(value: object) -> bool:
    return not isinstance(value, ModuleType) and str(getattr(value, "__module__", "")).startswith("oxmq")


@modules
def test_every_name_says_what_it_is(module: ModuleType) -> None:
    assert [name for name in module.__all__ if not inspect.getdoc(getattr(module, name))] == []


def test_every_error_is_public() -> None:
    classes = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == "oxmq.errors"}
    assert classes <= set(oxmq.__all__)


def test_whatever_talks_to_redis_has_a_blocking_twin() -> None:
    asking = {name for name, value in vars(oxmq).items() if getattr(value, "__module__", "").startswith("oxmq.client")}
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
