"""Describe how the counts of ended jobs are read, and write counts down as Prometheus reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from oxmq.codec import instant
from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, number, run_script

_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_TAKEN_LABELS = ("queue", "state")


class MetricsMeta(Struct, frozen=True):
    """Hold the totals behind the points of `Metrics`.

    Attributes:
        count: how many jobs have ended so since metrics are kept.
        prev_count: how many of them the points tell of.
        prev_ts: when the last point was written; None when none was.
    """

    count: int
    prev_ts: datetime | None
    prev_count: int


class Metrics(Struct, frozen=True):
    """Hold how many jobs ended in each minute.

    Attributes:
        meta: the totals.
        data: the jobs of each minute asked for, the newest first.
        count: how many minutes are kept in all.
    """

    meta: MetricsMeta
    data: list[int]
    count: int


def get_metrics(keys: QueueKeys, state: str, start: int, end: int) -> Call[Metrics]:
    """Read the minutes from `start` to `end`, both included; 0 is the newest, and -1 the oldest."""
    return run_script("get_metrics", keys.base, state, start, end, decode=_metrics)


def prometheus_text(queue: str, counts: Mapping[str, int], ended: Mapping[str, int], labels: Mapping[str, str]) -> str:
    """Write down the jobs in each state, and the jobs that ended `completed` and `failed`."""
    more = "".join(f', {name}="{_escaped(value)}"' for name, value in labels.items())
    name = _escaped(queue)
    lines = list(_head("bullmq_job_count", "Number of jobs in the queue by state", "gauge"))
    lines += (f'bullmq_job_count{{queue="{name}", state="{state}"{more}}} {count}' for state, count in counts.items())
    for state, count in ended.items():
        lines += _head(f"bullmq_job_{state}_total", f"Total number of {state} jobs", "counter")
        lines.append(f'bullmq_job_{state}_total{{queue="{name}"{more}}} {count}')
    return "\n".join(lines)


def _head(metric: str, meaning: str, kind: str) -> Iterable[str]:
    return (f"# HELP {metric} {meaning}", f"# TYPE {metric} {kind}")


def checked_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return `labels`.

    Raises:
        ConfigurationError: a label's name is not one for Prometheus, or is used already, or its value is no text.
    """
    for name, value in labels.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name) or name in _TAKEN_LABELS:  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(
                f"global_variables must have names of letters, digits and _ other than queue and state, not {name!r}"
            )
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers need not be typed
            raise ConfigurationError(f"global_variables[{name!r}] must be a string, not {value!r}")
    return labels


def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def _metrics(reply: Reply) -> Metrics:
    (count, prev_ts, prev_count), points, kept = reply
    since = instant(number(prev_ts)) if prev_ts else None
    return Metrics(MetricsMeta(number(count), since, number(prev_count)), [number(point) for point in points], kept)
