"""Read the whole keyspace of a server in the form of the golden fixtures, and say where two of them differ.

A dumped key is ``{"type", "value", "pttl_approx"?}``: string -> text, hash -> object, list -> array from head to tail,
set -> sorted array, zset -> ``[[member, score], ...]`` ascending, stream -> array of objects without entry ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol, TypeGuard

from redis.asyncio import Redis

Json = Any
"""Whatever ``json.loads`` may return: a fixture's values are not known beforehand."""

Keyspace = dict[str, dict[str, Json]]

#: Fields of hashes that hold JSON, whose member order means nothing.
JSON_FIELDS: Final = frozenset({"opts", "parent", "stacktrace", "progress", "returnvalue", "data"})
#: Fields that a JSON encoder in Lua wrote in the fixtures: nulls and empty arrays of objects are lost in it.
LUA_FIELDS: Final = frozenset({"opts"})
#: A field of ``meta`` that Node writes with each queue object, and others when they first need it.
DEFAULT_LENGTH: Final = ("opts.maxLenEvents", "10000")

#: How far two expiries may lie apart: what a busy machine can take for a whole scenario.
EXPIRY_TOLERANCE_MS: Final = 2000

_PLACEHOLDER: Final = re.compile(r"<uuid:\d+>")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Commands(Protocol):
    """What is needed of a Redis client."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command and return its reply."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


def connect(url: str) -> Commands:
    """Return a client of the server at `url`; close it."""
    # Any, because redis-py's own types leave much unknown, which strict checking would refuse at every call.
    client_class: Any = Redis
    client: Commands = client_class.from_url(url)
    return client


def is_object(value: object) -> TypeGuard[dict[str, Json]]:
    """Tell whether a JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Json]]:
    """Tell whether a JSON value is an array."""
    return isinstance(value, list)


# ---- dumping -----------------------------------------------------------------------------------------------------


async def dump(client: Commands) -> Keyspace:
    """Return everything that the server holds, with random ids replaced by ``<uuid:N>`` in order of appearance."""
    keys = sorted(_text(key) for key in await client.execute_command("KEYS", "*"))
    found: Keyspace = number_uuids({key: await _dump_key(client, key) for key in keys})
    return found


async def _dump_key(client: Commands, key: str) -> dict[str, Json]:
    kind = _text(await client.execute_command("TYPE", key))
    entry: dict[str, Json] = {"type": kind, "value": await _read_value(client, key, kind)}
    pttl = int(await client.execute_command("PTTL", key))
    if pttl > 0:
        entry["pttl_approx"] = round(pttl / 1000) * 1000
    return entry


async def _read_value(client: Commands, key: str, kind: str) -> Json:
    # Replies are read as plain arrays, whatever shape the client's own parser would give to a command.
    if kind == "string":
        return _text(await client.execute_command("GET", key))
    if kind == "hash":
        return _as_pairs(await client.execute_command("HGETALL", key))
    if kind == "list":
        return [_text(item) for item in await client.execute_command("LRANGE", key, 0, -1)]
    if kind == "set":
        return sorted(_text(item) for item in await client.execute_command("SMEMBERS", key))
    if kind == "zset":
        members = [_text(item) for item in await client.execute_command("ZRANGE", key, 0, -1)]
        return [[member, _score(await client.execute_command("ZSCORE", key, member))] for member in members]
    if kind == "stream":
        entries = await client.execute_command("XRANGE", key, "-", "+")
        return [_as_pairs(fields) for _, fields in entries]
    raise ValueError(f"{key} is a {kind}, which no fixture has")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _as_pairs(reply: Json) -> dict[str, str]:
    if is_object(reply):
        return {_text(name): _text(value) for name, value in reply.items()}
    flat: list[Json] = reply
    return {_text(name): _text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _score(value: str | bytes | float) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


# ---- loading -----------------------------------------------------------------------------------------------------


async def load(client: Commands, keyspace: Keyspace) -> None:
    """Empty the server and write a keyspace to it."""
    await client.execute_command("FLUSHALL")
    for key, entry in keyspace.items():
        for command, *words in _writes(entry["type"], entry["value"]):
            await client.execute_command(command, key, *words)
        if "pttl_approx" in entry:
            await client.execute_command("PEXPIRE", key, entry["pttl_approx"])


def _writes(kind: str, value: Json) -> list[list[str]]:
    """Return the commands that write a value, without its key."""
    if kind == "string":
        return [["SET", value]]
    if kind == "list":
        return [["RPUSH", *value]]
    if kind == "set":
        return [["SADD", *value]]
    if kind == "zset":
        return [["ZADD", score, member] for member, score in value]
    if kind == "hash":
        return [["HSET", *_flat_pairs(value)]]
    return [["XADD", "*", *_flat_pairs(fields)] for fields in value]


def _flat_pairs(fields: dict[str, str]) -> list[str]:
    return [word for pair in fields.items() for word in pair]


# ---- random ids ----------------------------------------------------------------------------------------------------


def number_uuids(keyspace: Json) -> Json:
    """Replace every UUID in a JSON value by ``<uuid:N>``, N counting from 1 in order of appearance."""
    names: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        return names.setdefault(match.group(), f"<uuid:{len(names) + 1}>")

    return json.loads(_UUID.sub(placeholder, json.dumps(keyspace, ensure_ascii=False)))


# ---- comparing ---------------------------------------------------------------------------------------------------


def differences(expected: Keyspace, actual: Keyspace) -> list[str]:
    """Return one line per difference that matters, empty when the two keyspaces mean the same.

    Not compared: ``meta.version``, whether the default length of the event stream is written down, the order of members
    in JSON, and what Node's Lua encoder cannot express.
    """
    expected, actual = comparable(expected), comparable(actual)
    lines: list[str] = []
    for key in sorted(expected.keys() | actual.keys()):
        lines += _compare_entries(key, expected.get(key, _MISSING), actual.get(key, _MISSING))
    return lines


def _compare_entries(key: str, expected: Json, actual: Json) -> list[str]:
    if is_object(expected) and is_object(actual) and expected["type"] != actual["type"]:
        return _compare(f"{key} type", expected["type"], actual["type"])
    return _compare(key, expected, actual)


def comparable(keyspace: Keyspace) -> Keyspace:
    """Return a keyspace with JSON texts parsed and everything removed that may differ."""
    entries = {key: _comparable_entry(key, entry) for key, entry in rename_placeholders(keyspace).items()}
    return {key: entry for key, entry in entries.items() if not (key.endswith(":meta") and not entry["value"])}


def rename_placeholders(keyspace: Json) -> Json:
    """Number the ``<uuid:N>`` again in order of appearance in sorted keys, so that two dumps agree on the numbers."""
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return names.setdefault(match.group(), f"<uuid:{len(names) + 1}>")

    return json.loads(_PLACEHOLDER.sub(renamed, json.dumps(keyspace, ensure_ascii=False)))


def _comparable_entry(key: str, entry: dict[str, Json]) -> dict[str, Json]:
    made = dict(entry)
    if made["type"] == "hash":
        made["value"] = dict(_comparable_fields(key, made["value"]))
    if made["type"] == "zset":
        made["value"] = [[member, round(float(score), 3)] for member, score in made["value"]]
    return made


def _comparable_fields(key: str, fields: dict[str, str]) -> Iterator[tuple[str, Json]]:
    for name, text in fields.items():
        if not (key.endswith(":meta") and (name == "version" or (name, text) == DEFAULT_LENGTH)):
            yield name, _parsed(name, text) if name in JSON_FIELDS else text


def _parsed(name: str, text: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return lua_form(value) if name in LUA_FIELDS else value


def lua_form(value: Json) -> Json:
    """Return what is left of a JSON value that went through a Lua table: the form in which Node stores ``opts``."""
    if is_object(value):
        return {name: lua_form(member) for name, member in value.items() if member is not None}
    if is_array(value):
        return [lua_form(item) for item in value] or {}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(f"{value:.14g}")
    return value


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING: Final = _Missing()


def _compare(path: str, expected: Json, actual: Json) -> list[str]:
    """Go down into objects that both sides have, so that a line names the smallest thing that differs."""
    if is_object(expected) and is_object(actual):
        return _compare_members(path, expected, actual)
    if is_array(expected) and is_array(actual) and path.endswith("events value"):
        return _compare_rows(path, expected, actual)
    if (expected == actual and type(expected) is type(actual)) or _same_expiry(path, expected, actual):
        return []
    return [f"{path}: expected {_shown(expected)}, found {_shown(actual)}"]


def _same_expiry(path: str, expected: Json, actual: Json) -> bool:
    """Expiries run on the server's own clock, which nobody holds still during a replay."""
    if not path.endswith(" pttl_approx") or not isinstance(expected, int) or not isinstance(actual, int):
        return False
    return abs(expected - actual) <= EXPIRY_TOLERANCE_MS


def _compare_members(path: str, expected: dict[str, Json], actual: dict[str, Json]) -> list[str]:
    names = sorted(expected.keys() | actual.keys())
    pairs = ((name, expected.get(name, _MISSING), actual.get(name, _MISSING)) for name in names)
    return _flat(_compare(f"{path} {name}", one, other) for name, one, other in pairs)


def _compare_rows(path: str, expected: list[Json], actual: list[Json]) -> list[str]:
    """Compare events; after the first missing or surplus one, all further rows would differ and say nothing."""
    rows = range(max(len(expected), len(actual)))
    found = [_compare(f"{path} [{row}]", _row(expected, row), _row(actual, row)) for row in rows]
    if len(expected) == len(actual):
        return _flat(found)
    return [f"{path}: expected {len(expected)} events, found {len(actual)}", *next(filter(None, found))]


def _row(rows: list[Json], index: int) -> Json:
    return rows[index] if index < len(rows) else _MISSING


def _flat(parts: Iterable[list[str]]) -> list[str]:
    return [line for part in parts for line in part]


def _shown(value: Json) -> str:
    return repr(value) if isinstance(value, _Missing) else json.dumps(value, ensure_ascii=False, sort_keys=True)
