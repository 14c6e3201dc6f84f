"""Hold an operation as data: what to send, how to read the reply, and what to do if the reply is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from oxmq.scripts import SCRIPTS, Retry, Script

T = TypeVar("T")

Word = str | bytes | int
"""One word of a command."""

Reply = Any
"""A reply as the Redis client hands it over: bytes, int, None, or a list of these."""


#: How many rows one command may carry: it bounds how long a script runs, to about 5 ms.
MAX_ROWS = 250


class Call(Struct, Generic[T], frozen=True):
    """Hold one operation.

    Attributes:
        name: what errors call it.
        words: the command, or what follows the script's hash.
        decode: turns the reply into the result; raises the error that a negative code stands for.
        retry: what to do when the answer is lost.
        script: the script to run; None for a plain command.
        rows: how many of a script's rows this call brings. Calls with equal `words` and any rows may travel
            together: the rows are joined, and each call gets its part of the reply.
        tail: the rows themselves, flat.
    """

    name: str
    words: tuple[Word, ...]
    decode: Callable[[Reply], T]
    retry: Retry
    script: Script | None = None
    rows: int = 0
    tail: tuple[Word, ...] = ()


def command(*words: Word, decode: Callable[[Reply], T], retry: Retry = Retry.READ) -> Call[T]:
    """Return the call of a plain command: a read unless `retry` says otherwise."""
    return Call(str(words[0]), words, decode, retry)


def run_script(name: str, base: str, *args: Word, decode: Callable[[Reply], T]) -> Call[T]:
    """Return the call of a script on the queue whose keys begin with `base`."""
    script = SCRIPTS[name]
    return Call(name, ("1", base, *args), decode, script.header.retry, script)


def text(reply: Reply) -> str:
    """Return a reply as text. Anybody may have written it: what is no UTF-8 is shown escaped."""
    return reply.decode(errors="backslashreplace") if isinstance(reply, bytes) else str(reply)


def texts(reply: Reply) -> list[str]:
    """Return a list of replies as texts."""
    return [text(item) for item in reply]


def number(reply: Reply) -> int:
    """Return a reply as a whole number; nothing counts as 0."""
    return int(reply or 0)


def ignore(reply: Reply) -> None:
    """Return nothing, whatever the reply."""
