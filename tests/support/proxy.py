"""Put a faulty network between a client and a real server.

The proxy knows where commands and replies begin and end, so that a test says *which* command meets the fault. It runs
in the test's event loop (`async with`) or in a thread of its own (`with`); its verbs may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from tests.support.link import Conditions, Link, Stream, Verb

#: A command and the beginnings of its next words ("EVALSHA", "EVALSHA 3f2a"), or a predicate on all its words.
Match = str | Callable[[Sequence[bytes]], bool]


class FaultProxy:
    """Listen on a TCP port and forward to the server at `upstream` (``redis://host:port`` or ``unix:///path``).

    `fired` counts the faults that came true by verb, `commands` the commands that arrived by name in capitals.
    """

    def __init__(self, upstream: str) -> None:
        self.commands: Counter[str] = Counter()
        self.port = 0
        self._upstream = urlsplit(upstream)
        self._conditions = Conditions()
        self._rules: list[_Rule] = []
        self._links: dict[asyncio.Task[None], Link] = {}
        self._listener: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._thread: threading.Thread | None = None
        self._closing = asyncio.Event()

    @property
    def url(self) -> str:
        """Return the address for clients; it stays the same over `refuse` and `heal`."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def fired(self) -> Counter[str]:
        """Return how often each fault came true."""
        return self._conditions.fired

    def delay(self, seconds: float) -> None:
        """Hold every packet on its way to the server for `seconds`."""
        self._do(lambda: setattr(self._conditions, "latency", seconds))

    def throttle(self, bytes_per_second: float) -> None:
        """Let no more than that pass, in each direction of each connection."""
        self._do(lambda: setattr(self._conditions, "bytes_per_second", bytes_per_second))

    def split(self, size: int) -> None:
        """Cut everything into packets of at most `size` bytes."""
        self._do(lambda: setattr(self._conditions, "packet", size))

    def stall(self) -> None:
        """Let nothing pass, and lose nothing, until `heal`: connections stay open and new ones succeed."""
        self._do(self._conditions.flowing.clear)

    def reset_before(self, match: Match, nth: int = 1) -> None:
        """Reset the connection in place of delivering the `nth` matching command from now; once."""
        self._do(lambda: self._rules.append(_Rule("reset_before", match, nth)))

    def swallow_reply(self, match: Match, nth: int = 1) -> None:
        """Deliver the `nth` matching command from now, drop its reply and reset the connection; once."""
        self._do(lambda: self._rules.append(_Rule("swallow_reply", match, nth)))

    def half_open(self) -> None:
        """Make the server lose the present connections while their clients notice nothing; new ones work."""
        self._do(lambda: self._each_link("half_open", Link.forget))

    def refuse(self) -> None:
        """Reset all connections and refuse new ones until `heal`, as if the server's process had died."""
        self._do(self._refuse)

    def heal(self) -> None:
        """Take back every fault and every rule; clients whose connection the server lost are told now."""
        self._do(self._heal)

    def _verdict(self, words: Sequence[bytes]) -> Verb | None:
        """Count a command that arrived and return what its rules do to it."""
        self.commands[words[0].decode(errors="replace").upper()] += 1
        met = [rule for rule in self._rules if _matches(rule.match, words)]
        for rule in met:
            rule.left -= 1
        self._rules = [rule for rule in self._rules if rule.left > 0]
        return next((rule.verb for rule in met if rule.left == 0), None)

    def _do(self, action: Callable[[], None]) -> None:
        """Run `action` in the proxy's thread and return when it is done, so that faults apply from the next line on."""
        assert self._loop, "the proxy has not been started"
        if threading.get_ident() == self._loop_thread:
            action()
            return

        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    def _each_link(self, fault: str, action: Callable[[Link], None]) -> None:
        for link in self._links.values():
            self.fired[fault] += 1
            action(link)

    def _refuse(self) -> None:
        if self._listener and self._loop:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        self._each_link("refuse", Link.reset)

    def _heal(self) -> None:
        self._rules.clear()
        self._conditions.calm()
        for link in self._links.values():
            if link.forgotten:
                link.reset()
        self._listen()

    def _listen(self) -> None:
        if self._listener is None and self._loop:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            client, _ = listener.accept()
            link = Link(self._conditions, self._verdict)
            task = asyncio.ensure_future(link.run(client, self._connect))
            self._links[task] = link
            task.add_done_callback(self._links.pop)

    async def _connect(self) -> Stream:
        if self._upstream.scheme == "unix":
            return await asyncio.open_unix_connection(unquote(self._upstream.path))
        return await asyncio.open_connection(self._upstream.hostname, self._upstream.port)

    async def __aenter__(self) -> Self:
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._refuse()
        await asyncio.gather(*self._links)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="fault-proxy")
        self._thread.start()
        assert ready.wait(10), "the proxy did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._closing.set)
        if self._thread:
            self._thread.join()

    async def _serve(self, ready: threading.Event) -> None:
        async with self:
            ready.set()
            await self._closing.wait()


@dataclass
class _Rule:
    verb: Verb
    match: Match
    left: int


def _matches(match: Match, words: Sequence[bytes]) -> bool:
    if callable(match):
        return match(words)
    name, *beginnings = match.lower().encode().split()
    if words[0].lower() != name or len(words) <= len(beginnings):
        return False
    return all(word.lower().startswith(beginning) for word, beginning in zip(words[1:], beginnings, strict=False))
