"""Tell Django of the application."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from oxmq.integrations.django import app


class OxmqConfig(AppConfig):
    """Find the project's tasks when Django starts."""

    name = "oxmq.integrations.django"
    label = "oxmq"
    verbose_name = "Background jobs"

    def ready(self) -> None:
        """Import the modules that hold tasks."""
        autodiscover_modules("tasks")
        for name in app.settings.task_modules:
            import_module(name)
