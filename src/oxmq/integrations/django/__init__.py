"""Make oxmq a part of a Django project: one application for all of its tasks, and jobs that wait for the commit.

    INSTALLED_APPS = [..., "oxmq.integrations.django"]
    OXMQ = {"URL": "redis://localhost:6379/0"}

A module ``tasks.py`` of each installed application is imported when Django starts:

    from oxmq.integrations.django import task

    @task(queue="mails", attempts=3)
    def send_receipt(order_id: int) -> None: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import django as _  # noqa: F401 - only to see whether it is installed
except ModuleNotFoundError as error:
    raise ImportError('oxmq.integrations.django needs Django: pip install "oxmq[django]"') from error

from oxmq.integrations.django.application import DjangoOxmq, DjangoTask
from oxmq.integrations.django.project_settings import read_settings

if TYPE_CHECKING:
    from oxmq.integrations.django.backend import OxmqBackend

__all__ = ["DjangoOxmq", "DjangoTask", "OxmqBackend", "app", "task"]

app = DjangoOxmq(read_settings())
"""The project's application, as `OXMQ` in its settings describes it."""

task = app.task
"""Make a task of a function: `oxmq.Oxmq.task` of the project's application."""


def __getattr__(name: str) -> type[OxmqBackend]:
    # Only a project with the setting TASKS has what the backend builds on.
    if name != "OxmqBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from oxmq.integrations.django.backend import OxmqBackend  # noqa: PLC0415 - see above

    return OxmqBackend
