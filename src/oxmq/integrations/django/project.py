"""Set a Django project up, for processes of ``oxmq``: ``oxmq worker oxmq.integrations.django.project:app``.

``$DJANGO_SETTINGS_MODULE`` says which. Its modules are found as attributes, too, so that a child process or a pod that
looks for a task here has Django set up before the task's module is imported.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import django

django.setup()

from oxmq.integrations.django import app  # noqa: E402 - it reads the settings

__all__ = ["app"]


def __getattr__(name: str) -> ModuleType:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(name)
