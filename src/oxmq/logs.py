"""Set logging up: lines for people or for programs, and on each the job whose handler wrote it.

Child processes of a worker do as it does: they find the choice in their environment.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal, TextIO, cast

import msgspec

from oxmq.errors import ConfigurationError
from oxmq.running import running_job

LogFormat = Literal["text", "json"]
"""Lines for people, or an object a line for programs."""

#: Where a process finds how the one that started it writes its lines.
FORMAT_VARIABLE: Final = "OXMQ_LOG_FORMAT"
LEVEL_VARIABLE: Final = "OXMQ_LOG_LEVEL"

JOB_FIELDS: Final = ("job", "task", "queue", "attempt")
"""What a record says of the job whose handler wrote it."""
_TRACE_FIELDS: Final = ("trace_id", "span_id")
#: What every record has; the rest is what its writer added.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
#: The lines of this logger say themselves which job they are about.
JOB_LOGGER: Final = "oxmq.job"
_LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JobFields(logging.Filter):
    """Add to records the job whose handler writes them, and the span. A filter of handlers: it lets all pass.

    A record of a running job gets ``job`` (its id), ``task`` (its name), ``queue`` and ``attempt``; one within a span
    of OpenTelemetry ``trace_id`` and ``span_id``. What a record says itself stays as it is.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        fields = vars(record)
        job: Any = running_job.get(None)
        if job is not None:
            fields.setdefault("job", job.id)
            fields.setdefault("task", job.name)
            fields.setdefault("queue", job.queue_name)
            fields.setdefault("attempt", job.attempts_made + 1)
        for name, value in current_trace().items():
            fields.setdefault(name, value)
        return True


class JsonFormatter(logging.Formatter):
    """Write each record as one line of JSON.

    It has ``time`` (ISO 8601, UTC), ``level``, ``logger`` and ``message``, whatever the record was given as ``extra``
    by its own name, and where there is one ``exception`` or ``stack``, a stack trace. What is not JSON is written as
    `repr` does.
    """

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line: dict[str, object] = {**said, **extras_of(record), **said}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return _as_json(line)


class TextFormatter(logging.Formatter):
    """Write records for people, and behind the message the job whose handler wrote it."""

    def __init__(self) -> None:
        super().__init__(_LINE)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, RUF100 - the name is logging's
        fields = vars(record)
        names = () if record.name == JOB_LOGGER else JOB_FIELDS
        told = " ".join(f"{name}={one_line(str(fields[name]))}" for name in names if name in fields)
        return f"{super().formatMessage(record)} [{told}]" if told else super().formatMessage(record)


def configure_logging(log_format: LogFormat | None = None, level: str = "info", stream: TextIO | None = None) -> None:
    """Write log lines to `stream`, in this process and in the children that it will start for jobs.

    Where logging has been set up already it stays as it is, unless a format is asked for: what is written to the
    terminal is then written in that format.

    Args:
        log_format: ``"text"`` or ``"json"``; None for text, if nothing else was set up.
        level: the least level of oxmq's own lines, such as ``"info"``; others follow the root logger's.
        stream: where to write; standard error when not given.

    Raises:
        ConfigurationError: there is no such format or level.
    """
    number = check_level(level, "level")
    formatter = _formatter(log_format or "text")
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_dressed(logging.StreamHandler(stream), formatter))
    elif log_format is not None:
        for handler in root.handlers:
            if _writes_to_terminal(handler):
                _dressed(handler, formatter)
    logging.getLogger("oxmq").setLevel(number)
    if log_format == "json":
        _log_what_is_printed()
    os.environ[LEVEL_VARIABLE] = level
    if log_format is not None:
        os.environ[FORMAT_VARIABLE] = log_format


def chosen_format() -> LogFormat | None:
    """Return the format that ``$OXMQ_LOG_FORMAT`` asks for; None for none."""
    return cast("LogFormat | None", os.environ.get(FORMAT_VARIABLE) or None)


def configure_child() -> None:
    """Do as the process that started this one, if that has set logging up."""
    if (level := os.environ.get(LEVEL_VARIABLE)) is not None:
        configure_logging(chosen_format(), level)


def check_level(level: int | str, field: str) -> int:
    """Return the number of a level.

    Raises:
        ConfigurationError: there is no such level; `field` is how the message calls it.
    """
    levels = logging.getLevelNamesMapping()
    if isinstance(level, int) and not isinstance(level, bool) and level > 0:
        return level
    if isinstance(level, str) and level.upper() in levels and levels[level.upper()] > 0:
        return levels[level.upper()]
    raise ConfigurationError(f'{field} must be a level of logging, such as "INFO", not {level!r:.80}')


def one_line(text: str, most: int = 500) -> str:
    """Return a text as one line of at most so many characters, with line breaks and control characters escaped."""
    cut = text if len(text) <= most else f"{text[:most]}..."
    if cut.isprintable():
        return cut
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in cut)


def current_trace() -> dict[str, str]:
    """Return the ids of the span that is open here; nothing where there is none, or nobody uses OpenTelemetry."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return dict(zip(_TRACE_FIELDS, (f"{span.trace_id:032x}", f"{span.span_id:016x}"), strict=True))


def extras_of(record: logging.LogRecord) -> dict[str, object]:
    """Return what a record was given beside what every record has."""
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


def _log_what_is_printed() -> None:
    """Have warnings, and what ends the process or a thread, logged: Python would print them over several lines."""
    logging.captureWarnings(capture=True)

    def log(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        logging.getLogger("oxmq").critical("the process ends", exc_info=(kind, error, trace))

    def log_of_thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            error = (told.exc_type, told.exc_value, told.exc_traceback)
            logging.getLogger("oxmq").critical("a thread ends", exc_info=error)

    sys.excepthook, threading.excepthook = log, log_of_thread


def _formatter(log_format: str) -> logging.Formatter:
    if log_format not in ("text", "json"):
        raise ConfigurationError(f'log_format must be "text" or "json", not {log_format!r:.80}')
    return JsonFormatter() if log_format == "json" else TextFormatter()


def _dressed(handler: logging.Handler, formatter: logging.Formatter) -> logging.Handler:
    handler.setFormatter(formatter)
    if not any(isinstance(there, JobFields) for there in handler.filters):
        handler.addFilter(JobFields())
    return handler


def _writes_to_terminal(handler: logging.Handler) -> bool:
    stream = cast("object", getattr(handler, "stream", None))
    return stream is not None and stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _as_json(line: dict[str, object]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=repr).decode()
    except Exception:  # noqa: BLE001 - half of a surrogate pair, a ring, a repr that fails: the line is wanted all the same
        return json.dumps({name: _plain(value) for name, value in line.items()})


def _plain(value: object) -> object:
    if isinstance(value, int | bool | None):
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - see above
        return f"<{type(value).__name__}>"
