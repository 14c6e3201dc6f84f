"""Look into objects of the API that may be broken, partial, or anything else: what is not as expected is not there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

#: Numbers of the API are signed and have 64 bits.
_LARGEST: Final = 2**63

Fields = Mapping[str, Any]  # JSON: only what is read of it is checked
"""The fields of a JSON object."""


def find(value: object, *path: str) -> object:
    """Return the value at the end of a path of names; None where the path breaks off."""
    for name in path:
        value = (entry(value) or {}).get(name)
    return value


def entry(value: object, *path: str) -> Fields | None:
    """Return the JSON object at the end of a path."""
    found = find(value, *path) if path else value
    return cast("Fields", found) if isinstance(found, Mapping) else None


def entries(value: object) -> list[Fields]:
    """Return the JSON objects in a value that is a list; else none."""
    items = map(entry, cast("list[object]", value)) if isinstance(value, list) else ()
    return [item for item in items if item is not None]


def text(value: object, *path: str) -> str:
    """Return the text at the end of a path, else an empty one."""
    found = find(value, *path)
    return found if isinstance(found, str) else ""


def whole(value: object, *path: str) -> int | None:
    """Return the whole number at the end of a path."""
    found = find(value, *path)
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if -_LARGEST <= found < _LARGEST else None


def instant(value: object, *path: str) -> datetime | None:
    """Return the time at the end of a path, in UTC; None too where it is Go's time zero."""
    try:
        found = datetime.fromisoformat(text(value, *path))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.year >= 1970 else None


def true_condition(status: object, kind: str) -> Fields | None:
    """Return the condition of that type in the status of an object if it holds."""
    found = condition(status, kind)
    return found if found is not None and found.get("status") == "True" else None


def condition(status: object, kind: str) -> Fields | None:
    """Return the condition of that type in the status of an object, whether it holds or not."""
    return next((item for item in entries(find(status, "conditions")) if item.get("type") == kind), None)
