"""Let a command of ``manage.py`` be one of ``oxmq``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from oxmq.integrations.oxmq_command import become_oxmq

#: Where a process of ``oxmq`` finds the project's application.
TARGET = "oxmq.integrations.django.project:app"


class HandOver(BaseCommand):
    """Pass options on to a command of ``oxmq``, which goes on in this process.

    Attributes:
        options: the options that are passed on, with what ``argparse`` is told of them.
    """

    # Any, for that is what argparse takes.
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def add_arguments(self, parser: CommandParser) -> None:
        """Tell the parser of the options."""
        for option, described in self.options.items():
            parser.add_argument(option, **described)

    def hand_over(self, *command: str, given: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> None:
        """Go on as ``oxmq``.

        Args:
            command: what comes before the options.
            given: what was parsed, by option.
            environment: further environment variables.

        Raises:
            CommandError: another process would not find the settings.
        """
        module = os.environ.get("DJANGO_SETTINGS_MODULE") or getattr(settings, "SETTINGS_MODULE", None)
        if module is None:
            raise CommandError("the project's settings are in no module: set DJANGO_SETTINGS_MODULE")
        words = [word for option in self.options for word in _words(option, given[option[2:].replace("-", "_")])]
        become_oxmq(*command, *words, environment={"DJANGO_SETTINGS_MODULE": module, **(environment or {})})


def _words(option: str, value: object) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return [f"{option}={each}" for each in values]
