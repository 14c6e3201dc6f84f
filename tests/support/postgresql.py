"""Run a real PostgreSQL server for tests, and do to it what operations and accidents do."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.support.servers import free_port
from tests.support.waiting import eventually_sync
from tools import setup_postgresql

#: Seconds for the server to answer after its start, and to end after its stop.
READY_TIMEOUT = 60.0
USER = "oxmq"
#: Who runs the server when root runs the tests: it refuses root.
UNPRIVILEGED = "nobody"
#: What makes it fast. It forgets should the machine itself fail, but nothing when its processes are killed.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "60"}


class PostgreSQLServer:
    """One real server on a free TCP port, with its data in a temporary directory of its own."""

    def __init__(self) -> None:
        programs = setup_postgresql.present() or setup_postgresql.unpack()
        if programs is None:
            raise RuntimeError("no PostgreSQL here: run tools/setup_postgresql.py")
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="oxmq-pg-"))
        self._data = self._folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._user: int | None = None
        self._group: int | None = None
        self._groups: list[int] | None = None
        if os.geteuid() == 0:
            self._become_ordinary()
        self._initialize()

    def url(self, database: str, driver: str = "psycopg") -> str:
        """Return the address for SQLAlchemy; it stays the same over restarts."""
        return f"postgresql+{driver}://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Start the server and return it once it answers; its data is what an earlier run left."""
        assert self._process is None, "the server runs already"
        settings = {**SETTINGS, "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self._folder)}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                process_group=0,
                user=self._user,
                group=self._group,
                extra_groups=self._groups,
            )
        eventually_sync(self._answers, READY_TIMEOUT, "PostgreSQL does not answer")
        return self

    def stop(self) -> None:
        """Stop the server, cutting off its clients. Harmless when it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop the server at once, as `pg_ctl stop -m immediate` does: it must recover at its next start."""
        self._end(signal.SIGQUIT)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement and return its rows, if it has any."""
        address = f"host=127.0.0.1 port={self.port} user={USER} dbname={database} connect_timeout=5"
        with psycopg.connect(address, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor) if cursor.description else []

    def create_database(self) -> str:
        """Create a database and return its name."""
        name = f"t{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def log(self) -> str:
        """Return what all runs of the server have written."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    def _become_ordinary(self) -> None:
        account = pwd.getpwnam(UNPRIVILEGED)
        self._user, self._group, self._groups = account.pw_uid, account.pw_gid, []
        os.chown(self._folder, account.pw_uid, account.pw_gid)

    def _initialize(self) -> None:
        command = f"{self._programs}/initdb -D {self._data} -U {USER} -A trust -E UTF8 --locale=C --no-sync".split()
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self._folder,
            user=self._user, group=self._group, extra_groups=self._groups,
        )  # fmt: skip
        if answer.returncode:
            raise RuntimeError(f"initdb failed:\n{answer.stdout}{answer.stderr}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended at its start:\n{self.log()}")
        try:
            return bool(self.execute("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(READY_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
