"""Check and convert a task's arguments and result by the annotations of its function.

Builtins, dataclasses and msgspec Structs are converted by msgspec; classes with Pydantic's `model_validate` and
`model_dump` by those methods, so that Pydantic need not be installed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import msgspec

from oxmq.codec import read_foreign, write_foreign
from oxmq.errors import ConfigurationError


class Signature:
    """Know what a function takes and gives.

    Raises:
        ConfigurationError: a parameter cannot be given by name, or an annotation cannot be understood.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = getattr(function, "__name__", repr(function))
        self._parameters = inspect.signature(function)
        try:
            hints = get_type_hints(function, include_extras=True)
        except NameError as error:
            raise ConfigurationError(f"task {self._name!r}: an annotation cannot be resolved: {error}") from None
        fields = [self._field(parameter, hints) for parameter in self._parameters.parameters.values()]
        self._fields = tuple(field[0] for field in fields)
        try:
            self._struct = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
            msgspec.json.Decoder(self._struct, dec_hook=read_foreign)
        except TypeError as error:
            raise ConfigurationError(f"task {self._name!r}: {error}") from None
        self._result: Any = _anything_for_object(hints.get("return", Any))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the names of the parameters, in order."""
        return self._fields

    def to_data(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as plain JSON values by parameter name.

        Raises:
            ConfigurationError: they do not fit; the message names the parameter.
        """
        try:
            bound = self._parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise ConfigurationError(f"task {self._name!r}: {error}") from None
        try:
            data: dict[str, Any] = msgspec.to_builtins(bound.arguments, enc_hook=write_foreign, str_keys=True)
            msgspec.convert(data, self._struct, dec_hook=read_foreign)
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"task {self._name!r}: {_plain(error)}") from None
        return data

    def from_data(self, data: object) -> dict[str, Any]:
        """Return the arguments that a job's data holds.

        Raises:
            ConfigurationError: the data does not fit; the message names the field.
        """
        try:
            arguments = msgspec.convert(data, self._struct, dec_hook=read_foreign)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise ConfigurationError(f"data does not fit task {self._name!r}: {_plain(error)}") from None
        return {field: getattr(arguments, field) for field in self._fields}

    def read_result(self, value: object) -> Any:  # noqa: ANN401 - what the function is annotated to return
        """Return a result, read from JSON, as the function's return type."""
        if self._result in (Any, inspect.Signature.empty):
            return value
        return msgspec.convert(value, self._result, dec_hook=read_foreign)

    def _field(self, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> tuple[Any, ...]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigurationError(
                f"task {self._name!r}: parameter {parameter.name!r} must be one that can be given by name: "
                "a job's data is its arguments by name"
            )
        kind = _anything_for_object(hints.get(parameter.name, Any))
        if parameter.default is parameter.empty:
            return (parameter.name, kind)
        return (parameter.name, kind, _default(parameter.default))


def _anything_for_object(kind: object) -> object:
    # To Python `object` is any value; msgspec takes it for a class of its own.
    return Any if kind is object else kind


def _default(value: object) -> object:
    # A Struct refuses mutable defaults, which functions share between calls anyway.
    return value if value.__hash__ is not None else msgspec.field(default_factory=lambda: value)


def _plain(error: Exception) -> str:
    return str(error).replace("`$.", "`").replace("Object ", "")
