"""Describe what can be asked of a server as a whole, and of any key whatever it holds. All of it only reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from msgspec import Struct

from oxmq.invariants import NEEDED_FIELDS, Items, Members, Scores, Stream, Text, Value
from oxmq.ops.call import Call, Reply, Word, command, ignore, number, text
from oxmq.scripts import SCRIPTS


class KeyPage(Struct, frozen=True):
    """Hold some of the keys that a scan finds, and where it goes on; 0 at its end."""

    cursor: int
    keys: list[str]


def ping() -> Call[None]:
    return command("PING", decode=ignore)


def get_time() -> Call[float]:
    """Read the server's clock, in seconds since the epoch."""
    return command("TIME", decode=lambda reply: int(reply[0]) + int(reply[1]) / 1e6)


def get_info() -> Call[dict[str, str]]:
    """Read what the server says of itself, all sections in one."""
    return command("INFO", decode=_info)


def get_config(name: str) -> Call[str]:
    """Read one setting; empty when the server does not know it. Many hosted servers forbid this."""
    return command("CONFIG", "GET", name, decode=lambda reply: text(reply[1]) if reply else "")


def get_client_names() -> Call[list[str]]:
    """Read under what names clients are connected, empty names left out. Some servers forbid this."""
    return command("CLIENT", "LIST", decode=_client_names)


class SlowCommand(Struct, frozen=True):
    """Hold an entry of the slow log: when, for how long (seconds), and what; without what it was about."""

    at: float
    took: float
    command: str


def get_slow_log(count: int) -> Call[list[SlowCommand]]:
    """Read the newest commands that took long. Many hosted servers forbid this."""
    return command("SLOWLOG", "GET", count, decode=lambda reply: list(map(_slow, reply)))


def scan(cursor: int, pattern: str, count: int) -> Call[KeyPage]:
    """Look at about `count` keys of the database and return those that match a glob pattern."""
    return command("SCAN", cursor, "MATCH", pattern, "COUNT", count, decode=_page)


def literally(text: str) -> str:
    """Return a glob pattern that matches nothing but `text`."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in text)


def get_type(key: str) -> Call[str]:
    """Tell of what type a key's value is; ``"none"`` when there is no such key."""
    return command("TYPE", key, decode=text)


def get_ttl(key: str) -> Call[int | None]:
    """Tell in how many milliseconds a key expires; None for never, 0 when it has."""
    return command("PTTL", key, decode=lambda reply: None if reply == -1 else max(0, int(reply)))


def count_rows(key: str) -> Call[int]:
    """Count the elements of a list."""
    return command("LLEN", key, decode=number)


def get_fields(key: str) -> Call[list[str]]:
    """Read the names of a hash's fields, and not their values, which may be large."""
    return command("HKEYS", key, decode=lambda reply: [_any_text(name) for name in reply])


def get_needed_values(key: str) -> Call[dict[str, str]]:
    """Read the values of those fields of a hash that an invariant is about."""
    return command("HMGET", key, *NEEDED_FIELDS, decode=_needed)


def get_value(key: str, kind: str, most: int) -> Call[Value]:
    """Read a value of any type but hash: of a list or sorted set the first `most` elements, of a stream its length."""
    return command(_READERS[kind][0], key, *_ranges(kind, most), decode=_READERS[kind][1])


#: For each type that a queue has the command that reads it, and how to read the reply.
_READERS: Final[dict[str, tuple[str, Callable[[Reply], Value]]]] = {
    "string": ("GET", lambda reply: Text(_any_text(reply or b""))),
    "list": ("LRANGE", lambda reply: Items(tuple(map(_any_text, reply)))),
    "set": ("SMEMBERS", lambda reply: Members(frozenset(map(_any_text, reply)))),
    "zset": ("ZRANGE", lambda reply: Scores(_scores(reply))),
    "stream": ("XLEN", lambda reply: Stream(number(reply))),
}
READABLE: Final = frozenset(_READERS)
"""The types that `get_value` can read."""


@cache
def _script_names() -> dict[str, str]:
    return {script.sha: f"oxmq {name}" for name, script in SCRIPTS.items()}


def _ranges(kind: str, most: int) -> tuple[Word, ...]:
    if kind == "list":
        return (0, most - 1)
    return (0, most - 1, "WITHSCORES") if kind == "zset" else ()


def _scores(reply: Sequence[bytes]) -> dict[str, float]:
    return {_any_text(reply[i]): float(reply[i + 1]) for i in range(0, len(reply), 2)}


def _page(reply: Reply) -> KeyPage:
    return KeyPage(int(reply[0]), [_any_text(key) for key in reply[1]])


def _info(reply: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {name: value for name, separator, value in lines if separator}


def _slow(entry: Reply) -> SlowCommand:
    words = [_any_text(word) for word in entry[3][:2]]
    name = words[0].upper() if words else ""
    if name == "EVALSHA" and len(words) > 1:
        name = _script_names().get(words[1], f"EVALSHA {words[1][:8]}")
    return SlowCommand(int(entry[1]), int(entry[2]) / 1e6, name)


def _client_names(reply: bytes) -> list[str]:
    words = (word for word in reply.decode(errors="replace").split() if word.startswith("name="))
    return [name for word in words if (name := word.removeprefix("name="))]


def _needed(reply: Sequence[bytes | None]) -> dict[str, str]:
    pairs = zip(NEEDED_FIELDS, reply, strict=True)
    return {name: _any_text(value) for name, value in pairs if value is not None}


def _any_text(value: bytes) -> str:
    # A peer may have written anything; what is no text is still to be told from the rest.
    return value.decode(errors="backslashreplace")
