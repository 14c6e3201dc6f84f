"""Read the setting ``OXMQ`` of a Django project."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from msgspec import Struct

from oxmq.errors import ConfigurationError
from oxmq.keys import DEFAULT_PREFIX
from oxmq.options import JobOptions, job_options


class ProjectSettings(Struct, frozen=True):
    """Hold what ``OXMQ`` says.

    Attributes:
        url: ``URL``, where the server is. Without it ``$OXMQ_URL`` says so, else an embedded server keeps its data in
            ``.oxmq`` beside the project (``BASE_DIR``).
        prefix: ``PREFIX``, with what all keys begin.
        default_job_options: ``DEFAULT_JOB_OPTIONS``, options under those of each task.
        on_commit: ``ON_COMMIT``, whether jobs that are added in a transaction wait for its commit.
        database: ``DATABASE``, whose transactions those are, where `using` does not say.
        task_modules: ``TASK_MODULES``, modules with tasks beside the ``tasks.py`` of installed applications.
    """

    url: str | None = None
    prefix: str = DEFAULT_PREFIX
    default_job_options: JobOptions | None = None
    on_commit: bool = True
    database: str = DEFAULT_DB_ALIAS
    task_modules: tuple[str, ...] = ()


def read_settings() -> ProjectSettings:
    """Return what the project's settings say.

    Raises:
        ConfigurationError: something is not acceptable; the message names it.
    """
    given: object = getattr(settings, "OXMQ", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"settings.OXMQ must be a dict, not {type(given).__name__}")
    said = dict(cast("Mapping[str, Any]", given))
    names = {name.upper(): name for name in ProjectSettings.__struct_fields__}
    if unknown := [name for name in said if name not in names]:
        raise ConfigurationError(f"settings.OXMQ has an unknown key {unknown[0]!r}; there are: {', '.join(names)}")
    values: dict[str, Any] = {"url": _url_beside_project()}
    values |= {names[name]: _READERS[name](name, value) for name, value in said.items() if value is not None}
    return ProjectSettings(**values)


def _url_beside_project() -> str | None:
    """Return the embedded server's address: the same one for all processes, wherever they are started."""
    base: object = getattr(settings, "BASE_DIR", None)
    if os.environ.get("OXMQ_URL") or not isinstance(base, str | Path):
        return None
    return f"embedded://{quote(str(Path(base).absolute() / '.oxmq'))}"


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"settings.OXMQ[{name!r}] must be text, not {type(value).__name__}")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"settings.OXMQ[{name!r}] must be True or False, not {type(value).__name__}")
    return value


def _modules(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"settings.OXMQ[{name!r}] must be a list of modules, not {type(value).__name__}")
    return tuple(_text(name, module) for module in cast("list[object]", value))


def _options(name: str, value: object) -> JobOptions:
    if isinstance(value, JobOptions):
        return value
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"settings.OXMQ[{name!r}] must be a dict of job options, not {type(value).__name__}")
    return job_options(cast("Mapping[str, Any]", value))


_READERS: dict[str, Callable[[str, object], object]] = {
    "URL": _text,
    "PREFIX": _text,
    "DEFAULT_JOB_OPTIONS": _options,
    "ON_COMMIT": _flag,
    "DATABASE": _text,
    "TASK_MODULES": _modules,
}
