"""Run a real sentinel: the server's own program in another mode."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.support.servers import connect, free_port, server_binary
from tests.support.waiting import eventually_sync


class Sentinel:
    """One sentinel that watches one server."""

    def __init__(self, service: str, server_port: int) -> None:
        self.port = free_port()
        self._directory = tempfile.TemporaryDirectory(prefix="oxmq-")
        self._settings = Path(self._directory.name) / "sentinel.conf"
        self._settings.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self._directory.name}\n"
            f"sentinel monitor {service} 127.0.0.1 {server_port} 1\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        binary = server_binary("valkey")
        assert binary
        self._process = subprocess.Popen(
            [binary, self._settings, "--sentinel"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            eventually_sync(self._knows_a_master, 10, "the sentinel does not answer")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _knows_a_master(self) -> bool:
        client: Any = connect(f"redis://127.0.0.1:{self.port}")
        try:
            (master,) = client.sentinel_masters().values()
            return bool(master["is_master"])
        except redis.RedisError:
            return False
        finally:
            client.close()

    def _end(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
        self._directory.cleanup()
