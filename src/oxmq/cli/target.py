"""Find the application that an operator named as ``module:app``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType

from oxmq.app import Oxmq
from oxmq.cli.terminal.screen import speaks_json, tell
from oxmq.errors import ConfigurationError, OxmqError
from oxmq.transport.connect import Endpoint

_MISSING = object()


def load_app(target: str, url: str | None = None) -> Oxmq:
    """Import the application, with the current directory among the places where modules are looked for.

    Args:
        target: ``module:app``.
        url: where the server is, for an application that does not say.

    Raises:
        ConfigurationError: there is no such module or application, or it has a connection other than `url`. What the
            module itself raises is printed with its stack trace first.
    """
    module_name, _, name = target.partition(":")
    if not module_name or not name or module_name.endswith(".py") or "/" in module_name:
        raise ConfigurationError(f"name the application as module:app, as in {_suggestion(target)}, not {target!r}")
    if url is not None:
        os.environ["OXMQ_URL"] = str(Endpoint(url).source)  # refused here, rather than in the application
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    app = _application(_import(module_name), name)
    if url is not None and app.endpoint.source != url:
        raise ConfigurationError(
            f"--url has no effect: {target} was made with the connection {app.endpoint.address}; make it Oxmq()"
        )
    return app


def _suggestion(target: str) -> str:
    path, _, name = target.partition(":")
    module = path.removesuffix(".py").strip("./").replace("/", ".")
    return f"{module or 'hello'}:{name or 'app'}"


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(f"there is no module {name!r} in {Path.cwd()} or on Python's path") from None
        _show(error)
    except OxmqError as error:
        raise ConfigurationError(f"{error} ({_place_of(error)})") from None
    except Exception as error:  # noqa: BLE001 - it is the application's own, whatever it is
        _show(error)
    raise ConfigurationError(f"module {name!r} cannot be imported: the error is above")


def _application(module: ModuleType, name: str) -> Oxmq:
    found: object = module
    for part in name.split("."):
        found = getattr(found, part, _MISSING)
    if isinstance(found, Oxmq):
        return found
    there = sorted(key for key, value in vars(module).items() if isinstance(value, Oxmq))
    hint = f"; its applications: {', '.join(there)}" if there else "; it has no application at all"
    if found is _MISSING:
        raise ConfigurationError(f"module {module.__name__!r} has nothing called {name!r}{hint}")
    raise ConfigurationError(f"{module.__name__}:{name} is a {type(found).__name__}, not an Oxmq{hint}")


def _show(error: BaseException) -> None:
    """Print the stack trace from where the application's own code begins."""
    trace = error.__traceback__
    while trace is not None and _is_machinery(trace):
        trace = trace.tb_next
    if speaks_json():
        tell("the application cannot be imported", "ERROR", exc_info=(type(error), error, trace))
        return
    traceback.print_exception(type(error), error, trace)


def _is_machinery(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file in (__file__, importlib.__file__) or file.startswith("<frozen importlib")


def _place_of(error: BaseException) -> str:
    """Return the line of the application that led to an error of ours."""
    ours = str(Path(__file__).parents[1])
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith((ours, "<frozen", str(importlib.__file__)))]
    return f"{theirs[-1].filename}, line {theirs[-1].lineno}" if theirs else "in the application"
