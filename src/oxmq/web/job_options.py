"""Read the options of a job as the HTTP API takes them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self, cast

from pydantic import (
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from oxmq.durations import Duration, milliseconds
from oxmq.options import Backoff, Deduplication, JobOptions, Keep
from oxmq.web.params import Body

#: Stands for a field that was not given: `model_fields_set` does not have it.
_NOT_GIVEN: Final[Any] = None


def _read_duration(value: object) -> Duration:
    milliseconds(value, "a length of time")
    return cast("Duration", value)


DurationField = Annotated[Duration, PlainValidator(_read_duration, json_schema_input_type=float | str)]
"""A length of time in a body: seconds, or a text such as ``"10m"``."""


def _or_bare(words: str, kinds: tuple[type, ...], schema: Any) -> WrapValidator:  # noqa: ANN401 - a type or union
    """Let a plain value stand where an object may; what it means, `JobOptions` knows."""

    def read(value: object, read_object: ValidatorFunctionWrapHandler) -> object:
        if type(value) in kinds:
            return value
        if not isinstance(value, dict):
            raise ValueError(f"must be an object, or {words}")
        return read_object(value)

    return WrapValidator(read, json_schema_input_type=schema)


def _leave_defaults_out(schema: dict[str, Any]) -> None:
    """Have the document say of no field what it is when it is not given: the task, or the queue, decides."""
    for field in schema["properties"].values():
        field.pop("default", None)


class _OptionsPart(Body):
    """Take no text for a number, nor a number for a truth."""

    model_config = ConfigDict(extra="forbid", strict=True)


class BackoffBody(_OptionsPart):
    """Say how long to wait between attempts."""

    type: str = Field(
        min_length=1,
        max_length=128,
        description='"fixed", "exponential", or the name of a strategy that the workers know.',
        examples=["exponential"],
    )
    delay: DurationField = Field(default=0, description="The first wait.", examples=["5s"])
    jitter: float = Field(default=0, ge=0, le=1, description="The share of the wait that is drawn at random.")

    def option(self) -> Backoff:
        """Return the backoff in oxmq's terms."""
        return Backoff(self.type, milliseconds(self.delay, "delay"), self.jitter)


class KeepBody(_OptionsPart):
    """Say which ended jobs stay."""

    count: int | None = Field(default=None, ge=0, description="At most so many of the newest.")
    age: DurationField | None = Field(default=None, description="At most so long.", examples=["7d"])

    def option(self) -> Keep:
        """Return what is kept in oxmq's terms."""
        return Keep(count=self.count, age=self.age)


class DeduplicationBody(_OptionsPart):
    """Keep other jobs of the same id out."""

    id: str = Field(description="What the jobs have in common.", examples=["rebuild:home"])
    ttl: DurationField | None = Field(default=None, description="For how long; else until the job has ended.")
    extend: bool = Field(default=False, description="Whether each job that is kept out starts `ttl` anew.")
    replace: bool = Field(default=False, description="Whether the newest takes the place of one that is delayed.")
    keep_last_if_active: bool = Field(default=False, description="Whether the newest follows the one that runs.")

    def option(self) -> Deduplication:
        """Return the deduplication in oxmq's terms."""
        return Deduplication(
            self.id, self.ttl, extend=self.extend, replace=self.replace, keep_last_if_active=self.keep_last_if_active
        )


_BackoffField = Annotated[BackoffBody, _or_bare("a length of time", (int, float, str), float | str | BackoffBody)]
_KeepField = Annotated[KeepBody, _or_bare("true, false or a number", (bool, int), bool | int | KeepBody)]
_DeduplicationField = Annotated[DeduplicationBody, _or_bare("an id", (str,), str | DeduplicationBody)]
_OBJECTS = (BackoffBody, KeepBody, DeduplicationBody)


class OptionsBody(_OptionsPart):
    """Hold the options of a job. What is not given is as the task or the queue has it."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra=_leave_defaults_out)

    job_id: str = Field(
        default=_NOT_GIVEN,
        description="The job's id; adding one that exists adds nothing.",
        examples=["invoice-2031"],
    )
    delay: DurationField = Field(
        default=_NOT_GIVEN, description="How long to wait before it may start.", examples=["10m"]
    )
    priority: int = Field(default=_NOT_GIVEN, description="1 (first) to 2,097,151; 0 comes before them all.")
    lifo: bool = Field(default=_NOT_GIVEN, description="Whether it runs before the jobs that wait.")
    attempts: int = Field(default=_NOT_GIVEN, description="How often it may be tried in all.", examples=[3])
    backoff: _BackoffField = Field(default=_NOT_GIVEN, description="How long to wait between attempts.")
    timeout: DurationField = Field(default=_NOT_GIVEN, description="How long one attempt may run.", examples=["30s"])
    expires: DurationField = Field(
        default=_NOT_GIVEN, description="It fails when it has not begun so long after it was due.", examples=["1h"]
    )
    remove_on_complete: _KeepField = Field(
        default=_NOT_GIVEN, description="Which completed jobs stay: false for all, true for none, or how many."
    )
    remove_on_fail: _KeepField = Field(default=_NOT_GIVEN, description="The same for failed ones.")
    keep_logs: int = Field(default=_NOT_GIVEN, description="How many of the newest log lines stay.")
    deduplication: _DeduplicationField = Field(default=_NOT_GIVEN, description="Keeps other jobs of the same id out.")
    fail_parent_on_failure: bool = Field(default=_NOT_GIVEN, description="Whether its failure fails its parent.")
    continue_parent_on_failure: bool = Field(default=_NOT_GIVEN, description="Whether its parent then runs at once.")
    ignore_dependency_on_failure: bool = Field(default=_NOT_GIVEN, description="Whether its parent waits no more.")
    remove_dependency_on_failure: bool = Field(default=_NOT_GIVEN, description="The same, without the reason.")

    @field_validator("*")
    @classmethod
    def _check_field(cls, value: object, info: ValidationInfo) -> object:
        JobOptions(**{str(info.field_name): _option(value)})
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        self.options()
        return self

    def options(self) -> JobOptions:
        """Return the options in oxmq's terms: those that were given.

        Raises:
            ConfigurationError: some cannot be given together.
        """
        return JobOptions(**{name: _option(getattr(self, name)) for name in self.model_fields_set})


def _option(value: object) -> Any:  # noqa: ANN401 - what the option takes
    return value.option() if isinstance(value, _OBJECTS) else value
