"""Check a project's settings where they can be acceptable by themselves and wrong all the same: ``manage.py check``."""

from __future__ import annotations

import os
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from oxmq.integrations.django.project_settings import ProjectSettings

_APPLICATION = "oxmq.integrations.django"


def check_database(settings: ProjectSettings) -> list[CheckMessage]:
    """Return what is wrong with the database whose commits jobs wait for."""
    return _unknown("OXMQ['DATABASE']", settings.database, "oxmq.E001")


def check_address(settings: ProjectSettings) -> list[CheckMessage]:
    """Return what is wrong with the server's address, for deployment."""
    url = settings.url or os.environ.get("OXMQ_URL") or "embedded:"
    if not url.startswith("embedded:"):
        return []
    hint = "Set OXMQ['URL'], or $OXMQ_URL, to the address of a Redis or Valkey."
    return [Warning("The jobs are kept by an embedded server, for this computer only.", hint=hint, id="oxmq.W001")]


def check_backend(alias: str, using: str | None) -> list[CheckMessage]:
    """Return what is wrong with a backend of Django's tasks."""
    found = _unknown(f"TASKS[{alias!r}]['OPTIONS']['using']", using, "oxmq.E002")
    if not apps.is_installed(_APPLICATION):
        words = f"TASKS[{alias!r}] needs {_APPLICATION!r} in INSTALLED_APPS: it is what finds the tasks."
        found.append(Error(words, id="oxmq.E003"))
    return found


def _unknown(setting: str, alias: str | None, id: str) -> list[CheckMessage]:
    known: Any = connections  # iterates over aliases
    if alias is None or alias in list(known):
        return []
    return [Error(f"{setting} is {alias!r}, which is not in DATABASES: {', '.join(known)}.", id=id)]
