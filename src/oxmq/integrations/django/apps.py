"""Tell Django of the application."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules

from oxmq.integrations.django import app
from oxmq.integrations.django.checks import check_address, check_database


class OxmqConfig(AppConfig):
    """Find the project's tasks when Django starts."""

    name = "oxmq.integrations.django"
    label = "oxmq"
    verbose_name = "Background jobs"

    def ready(self) -> None:
        """Import the modules that hold tasks, and tell Django what to check."""
        checks.register(_check_database, "oxmq")
        checks.register(_check_address, "oxmq", deploy=True)
        autodiscover_modules("tasks")
        for name in app.settings.task_modules:
            import_module(name)


def _check_database(**_: object) -> list[checks.CheckMessage]:
    return check_database(app.settings)


def _check_address(**_: object) -> list[checks.CheckMessage]:
    return check_address(app.settings)
