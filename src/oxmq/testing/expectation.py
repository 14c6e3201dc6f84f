"""Say what is expected of a job, and how jobs differ from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from oxmq.app import Oxmq
from oxmq.client.job import Job
from oxmq.codec import decode_json, decode_json_or, encode_json, wire_options, write_foreign
from oxmq.errors import ConfigurationError
from oxmq.options import JobOptions, job_options
from oxmq.sync.job import Job as SyncJob
from oxmq.task import Task, TaskCall

AnyJob: TypeAlias = Job[Any] | SyncJob[Any]
AnyTask: TypeAlias = Task[..., Any, Any]

#: How many of the jobs that are there are shown, at most.
_SHOWN = 10
#: How much of a value is shown, in characters.
_LONGEST = 200
_MISSING = object()


class Expectation:
    """Hold what is expected of a job: its task, and those of its arguments and options that were named.

    Args:
        task: the task, or the name of jobs that no task stands for.
        given: arguments and options by name: what the task's function has a parameter for is an argument.
        arguments: arguments by name, also such as an option is called.
        options: options by name, also such as an argument is called.

    Raises:
        ConfigurationError: it is no task; neither the function nor `JobOptions` knows one of the names; or JSON cannot
            say a value.
    """

    def __init__(
        self, task: AnyTask | str, given: Mapping[str, Any], arguments: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        if not isinstance(cast("object", task), Task | str):
            raise ConfigurationError(f"expected a task of the application, or the name of jobs, not {task!r:.80}")
        self.task = None if isinstance(task, str) else task
        self.name = task if isinstance(task, str) else task.name
        meant = self._arguments_among(given)
        self._check_parameters(arguments)
        self._arguments = _plain({**meant, **arguments})
        left = {name: value for name, value in given.items() if name not in meant}
        self._options = job_options({**left, **options})

    def __str__(self) -> str:
        words = [f"{name}={_shown(value)}" for name, value in self._arguments.items()]
        words += [f"{name}={value!r}" for name, value in self._options.given().items()]
        return f"{self.name}({', '.join(words)})"

    def differences(self, job: AnyJob) -> list[str]:
        """Return in what way a job of the right name is another than expected; empty when it is not."""
        return [*self._other_arguments(job), *self._other_options(job)]

    def describe(self, job: AnyJob) -> str:
        """Return a job in one line."""
        options = {name: value for name, value in _stored_options(job).items() if name != "attempts" or value}
        words = [f"{name}={_shown(value)}" for name, value in _members(job.data).items()]
        words += [f"{name}: {_shown(value)}" for name, value in options.items()]
        return f"{job.name}({', '.join(words)})  {job.id}"

    def _arguments_among(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if self.task is None:
            return {name: value for name, value in given.items() if name not in JobOptions.__struct_fields__}
        parameters = self.task.signature.parameters
        unknown = [name for name in given if name not in parameters and name not in JobOptions.__struct_fields__]
        if unknown:
            raise ConfigurationError(
                f"task {self.name!r} has no parameter {unknown[0]!r}, and no option is called so; "
                f"{self._parameters_told()}"
            )
        return {name: value for name, value in given.items() if name in parameters}

    def _check_parameters(self, arguments: Mapping[str, Any]) -> None:
        if self.task is None:
            return
        if unknown := [name for name in arguments if name not in self.task.signature.parameters]:
            raise ConfigurationError(f"task {self.name!r} has no parameter {unknown[0]!r}; {self._parameters_told()}")

    def _parameters_told(self) -> str:
        parameters = () if self.task is None else self.task.signature.parameters
        return f"its parameters: {', '.join(parameters) or 'none'}"

    def _other_arguments(self, job: AnyJob) -> list[str]:
        found = self._data_of(job)
        return [
            _difference(name, wanted, found.get(name, _MISSING))
            for name, wanted in self._arguments.items()
            if found.get(name, _MISSING) != wanted
        ]

    def _data_of(self, job: AnyJob) -> Mapping[str, Any]:
        if self.task is None:
            return _members(job.data)
        try:
            # Arguments that were not given count as their defaults.
            return _plain(self.task.signature.from_data(job.data))
        except ConfigurationError:
            return _members(job.data)

    def _other_options(self, job: AnyJob) -> list[str]:
        wanted = _wire(self._resolved(job))
        stored = _stored_options(job)
        if self._options.attempts is msgspec.UNSET:
            wanted.pop("attempts", None)
        return [
            _difference(f"option {name}", value, stored.get(name, _MISSING))
            for name, value in wanted.items()
            if stored.get(name, _MISSING) != value
        ]

    def _resolved(self, job: AnyJob) -> JobOptions:
        if self.task is None or self._options.deduplication is msgspec.UNSET:
            return self._options
        # ``deduplication="args"`` stands for an id that is made of the arguments.
        own = TaskCall(self.task, dict(_members(job.data)), self._options).job_options
        return msgspec.structs.replace(self._options, deduplication=own.deduplication)


def check_app(app: Oxmq) -> None:
    """Refuse what is no application.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(cast("object", app), Oxmq):
        raise ConfigurationError(f"expected the application, an Oxmq, not {app!r:.80}")


def check_place(task: AnyTask | str, app: Oxmq | None, queue: str) -> None:
    """Refuse to look for a task's jobs where there can be none: an assertion that there are none would always hold.

    Args:
        task: the task, or the name of jobs.
        app: the application in which jobs are looked for; None when a queue was given.
        queue: the queue in which they are looked for.

    Raises:
        ConfigurationError: the task is of another application, or of another queue.
    """
    if isinstance(task, str):
        return
    if app is not None and task.app is not app:
        raise ConfigurationError(f"task {task.name!r} belongs to another application than the one that was given")
    if task.queue != queue:
        raise ConfigurationError(f"jobs of task {task.name!r} go to queue {task.queue!r}, not to {queue!r}")


def explain_absence(expectation: Expectation, queue: str, jobs: Sequence[AnyJob], found: int, wanted: str) -> str:
    """Return why an assertion failed: what was expected, what is there, and how the nearest jobs differ."""
    times = "no job" if not found else f"{found} jobs" if found > 1 else "1 job"
    lines = [f"{wanted}, but {times} of {expectation} was enqueued in queue {queue!r}"]
    named = [job for job in jobs if job.name == expectation.name]
    nearest = sorted(named, key=lambda job: len(expectation.differences(job)))
    if nearest:
        lines.append(f"jobs of that name ({len(nearest)}), the nearest first:")
    for job in nearest[:_SHOWN]:
        lines.append(f"  {expectation.describe(job)}")
        lines += [f"      {difference}" for difference in expectation.differences(job)]
    others = sorted({job.name for job in jobs if job.name != expectation.name})
    if others:
        lines.append(f"jobs of other names: {', '.join(others[:_SHOWN])}")
    elif not nearest:
        lines.append("the queue has no jobs at all")
    return "\n".join(lines)


def _difference(name: str, wanted: object, found: object) -> str:
    shown = "nothing" if found is _MISSING else _shown(found)
    return f"{name}: expected {_shown(wanted)}, found {shown}"


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they are once they have been through JSON."""
    return {name: _plain_value(name, value) for name, value in values.items()}


def _plain_value(name: str, value: object) -> object:
    try:
        builtins = msgspec.to_builtins(value, enc_hook=write_foreign, str_keys=True)
    except TypeError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    return decode_json(encode_json(builtins, name))


def _wire(options: JobOptions) -> dict[str, Any]:
    return dict(_members(decode_json(encode_json(wire_options(options), "options"))))


def _stored_options(job: AnyJob) -> Mapping[str, Any]:
    return _members(decode_json_or(job.record.opts, {}))


def _members(value: object) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"data": value}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
