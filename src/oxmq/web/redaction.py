"""Take secrets out of payloads before anybody sees them, by the names of their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from oxmq.errors import ConfigurationError

REDACTED = "[redacted]"

#: What the name of a key has in it when its value is a secret.
DEFAULT_PATTERNS = (
    r"passw(or)?d", r"passphrase", r"secret", r"token", r"api[-_]?key", r"private[-_]?key", r"credential",
    r"authori[sz]ation", r"cookie", r"session[-_]?id", r"\bssn\b", r"card[-_]?number", r"\bcvv\b", r"\biban\b",
)  # fmt: skip


class Redaction:
    """Replace the values of keys that match one of the patterns, however deep they lie.

    Args:
        patterns: regular expressions, looked for anywhere in a key, whatever its case.

    Raises:
        ConfigurationError: a pattern is no regular expression.
    """

    def __init__(self, patterns: Iterable[str] = DEFAULT_PATTERNS) -> None:
        joined = "|".join(f"(?:{pattern})" for pattern in patterns)
        try:
            self._secret = re.compile(joined, re.IGNORECASE) if joined else None
        except re.error as error:
            raise ConfigurationError(f"a redaction pattern must be a regular expression: {error}") from None

    def __call__(self, value: object) -> object:
        """Return a JSON value with its secrets replaced."""
        if self._secret is None:
            return value
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return {
                name: REDACTED if self._secret.search(name) and inner is not None else self(inner)
                for name, inner in fields.items()
            }
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self(item) for item in items]
        return value


def restore(edited: object, stored: object) -> object:
    """Return what somebody edited who saw `stored` redacted: what they left redacted stays as it is stored."""
    restored = edited
    if edited == REDACTED:
        restored = stored
    elif isinstance(edited, dict) and isinstance(stored, dict):
        there = cast("dict[str, object]", stored)
        restored = {
            name: restore(value, there[name]) if name in there else value
            for name, value in cast("dict[str, object]", edited).items()
        }
    elif isinstance(edited, list) and isinstance(stored, list):
        items, kept = cast("list[object]", edited), cast("list[object]", stored)
        restored = [restore(item, kept[at]) if at < len(kept) else item for at, item in enumerate(items)]
    return restored
