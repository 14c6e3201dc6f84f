"""Run a page of the documentation as its reader would, from the top to the bottom.

The conventions are in `README.md` beside this file. A page has a server and a folder of its own, and one shell and one
Python program for all of its blocks. Ports that it names become free ones.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

from tests.docs.blocks import Block, find_blocks, run_by
from tests.docs.commands import Command, check_options, find_commands
from tests.docs.interpreter import Interpreter
from tests.docs.output import contains_shown, is_as_shown
from tests.docs.peer_child import MISSING
from tests.docs.shell import Ran, Shell
from tests.docs.syntax import check_syntax
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import TIME_SCALE, NotSoError, eventually_sync
from tools.setup_docs_peers import ENVIRONMENTS, interpreter_with
from tools.setup_node import node_executable, package_folder

ROOT: Final = Path(__file__).parents[2]
#: How long all the programs of a page may run, in seconds: several times what the longest one takes on an idle machine.
MOST: Final = 240.0 * TIME_SCALE
#: How long a command that only looks is repeated, and a server is waited for, in seconds.
PATIENCE: Final = 30.0
#: The version of BullMQ that the pages' Node programs use.
NODE_PACKAGES: Final = "6.7.0"

_PORT: Final = re.compile(
    r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{4,5})\b|--port[ =](\d{4,5})\b|\bport[:=] ?(\d{4,5})\b"
)
_REDIS_PORT: Final = "6379"
_WEB_PORT: Final = "6967"
_ADDRESS: Final = re.compile(r"(?:localhost|127\.0\.0\.1):(\d{4,5})\b")
_IMPORT: Final = re.compile(r"^\s*(?:from|import) (\w+)", re.MULTILINE)


class PageFailedError(AssertionError):
    """Say which line of a page is not as it says, and why."""


def run_page(page: Path, folder: Path, other: str | None = None) -> None:
    """Run the page; where `other`, a test of its own, runs it, look at its syntax alone.

    Raises:
        PageFailedError: a block does not do what the page says.
    """
    text = page.read_text(encoding="utf-8")
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
    other = other or run_by(text)
    blocks = find_blocks(text)
    for block in blocks:
        with _told(name, block.line):
            check_syntax(block)
            _check_commands(block)
    if other is not None and page.name not in (ROOT / other).read_text(encoding="utf-8"):
        raise PageFailedError(f"{name}: {other} knows nothing of it")
    if other is not None or not any(map(_does_something, blocks)):
        return
    with RedisServer() as server:
        ports = _ports(text, server.port)
        moved = re.sub(rf"\b({'|'.join(ports)})\b", lambda found: ports[found[1]], text)
        with _Reading(name, folder, ports) as reading:
            for block in find_blocks(moved):
                with _told(name, block.line):
                    reading.read(block)
            reading.end()


class _Reading:
    """Hold what one reader has: a shell, a prompt of Python, a folder with the files so far."""

    def __init__(self, name: str, folder: Path, ports: dict[str, str]) -> None:
        self._name = name
        self._folder = folder / "page"
        self._logs = folder / "logs"
        self._programs = folder / "bin"
        for each in (self._folder, self._logs, self._programs):
            each.mkdir()
        _put_programs(self._programs, ports[_WEB_PORT])
        environment = _environment(self._programs, ports)
        self._deadline = monotonic() + MOST
        self._stack = ExitStack()
        self._shell = self._stack.enter_context(Shell(self._folder, self._logs, environment))
        python = Path(sys.executable)
        self._python = self._stack.enter_context(
            Interpreter(python, self._folder, self._logs / "python.log", environment)
        )
        self._unread: dict[str, int] = {}
        self._background: list[tuple[Command, Ran]] = []

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, block: Block) -> None:
        """Do what a block is for."""
        if block.fragment is not None:
            return
        if "theirs" in block.flags:
            self._try_theirs(block)
        elif block.title is not None:
            self._save(block)
        elif block.kind == "python":
            self._load_files()
            self._python.run(self._name, block.line, block.text, self._left())
        elif block.kind == "console":
            self._load_files()
            for command in find_commands(block.text, block.line):
                with _told(self._name, command.line):
                    self._type(command)

    def end(self) -> None:
        """Look whether the files can be imported, and nothing in the background has failed."""
        self._load_files()
        failed = self._shell.broken()
        if failed:
            logs = "\n".join(f"{command.text}\n{ran.output}" for command, ran in self._background)
            raise PageFailedError(f"{self._name}: {'; '.join(failed)}\n{logs}")

    def _save(self, block: Block) -> None:
        assert block.title is not None
        file = self._folder / block.title
        if not file.resolve().is_relative_to(self._folder.resolve()):
            raise ValueError(f"{block.title} is outside the page's folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        if block.kind == "python":
            self._unread[block.title] = block.line
        packages = self._folder / "node_modules"
        if block.kind in ("js", "javascript") and not packages.exists():
            packages.symlink_to(package_folder(NODE_PACKAGES) / "node_modules")

    def _load_files(self) -> None:
        """Import what was saved since the last time: files may need each other, whichever the page shows first."""
        while self._unread:
            title, line = self._unread.popitem()
            with _told(self._name, line):
                self._python.load(title, self._left())

    def _type(self, command: Command) -> None:
        if command.is_elsewhere:
            return
        self._await_servers(command)
        ran = self._shell.run(command.text, self._left())
        if command.is_background:
            self._background.append((command, ran))
            if command.shown:
                _await_output(command, ran)
            return
        if command.shown and command.only_looks:
            ran = self._look_again(command, ran)
        if ran.code != command.exit_code:
            raise ValueError(f"`{command.text}` has ended with {ran.code}:\n{ran.output}")
        if command.shown and not is_as_shown(command.shown, ran.output):
            raise ValueError(f"`{command.text}` has written:\n{ran.output}")

    def _look_again(self, command: Command, ran: Ran) -> Ran:
        deadline = monotonic() + PATIENCE
        while not (ran.code == command.exit_code and is_as_shown(command.shown, ran.output)) and monotonic() < deadline:
            ran = self._shell.run(command.text, self._left())
        return ran

    def _await_servers(self, command: Command) -> None:
        """Wait until whatever was started in the background listens where the command asks."""
        for port in set(_ADDRESS.findall(command.text)) if self._background else ():

            def answers(port: str = port) -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", int(port))) == 0

            eventually_sync(answers, PATIENCE, f"nothing listens at port {port}, which `{command.text}` asks")

    def _try_theirs(self, block: Block) -> None:
        """Import and define what a sample of another library does, where that library is installed."""
        file = self._logs.parent / "theirs" / (block.title or f"line_{block.line}.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
        package = next((name for name in _IMPORT.findall(block.text) if name in ENVIRONMENTS), None)
        python = interpreter_with(package) if package else Path(sys.executable)
        child = Path(__file__).with_name("peer_child.py")
        done = subprocess.run(
            [str(python), str(child), str(file)], capture_output=True, text=True, check=False, timeout=self._left()
        )
        if done.returncode and not (done.returncode == MISSING and package is None):
            raise ValueError(f"{package or 'the sample'} does not know this:\n{done.stderr}")

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError(f"the page's programs have run for {MOST:g} s")
        return left


def _does_something(block: Block) -> bool:
    """Tell whether a block needs more than a look at its syntax."""
    if block.fragment is not None:
        return False
    if block.kind == "console":
        return any(not command.is_elsewhere for command in find_commands(block.text, block.line))
    return block.kind == "python" or block.title is not None


def _check_commands(block: Block) -> None:
    if block.kind == "console":
        for command in find_commands(block.text, block.line):
            check_options(command)


def _ports(text: str, redis_port: int) -> dict[str, str]:
    """Return which port stands for each that a page names."""
    named = {port for found in _PORT.findall(text) for port in found if port} | {_WEB_PORT, "8000", "5000"}
    return {port: str(free_port()) for port in named} | {_REDIS_PORT: str(redis_port)}


def _put_programs(folder: Path, web_port: str) -> None:
    """Put the programs there that a reader's machine has, and an `oxmq` whose usual port is a free one."""
    own = Path(sys.executable).with_name("oxmq")
    (folder / "node").symlink_to(node_executable())
    _put_script(folder / "curl", f'exec "{sys.executable}" "{Path(__file__).with_name("curl.py")}" "$@"')
    _put_script(
        folder / "oxmq",
        f'case "$1 $*" in *" --port"*|*" --help"*) ;; "web "*|"dev "*) set -- "$@" --port {web_port} ;; esac\n'
        f'exec "{own}" "$@"',
    )


def _put_script(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)


def _environment(programs: Path, ports: dict[str, str]) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("OXMQ_", "PYTHON", "PYTEST"))
    }
    return inherited | {
        "OXMQ_URL": f"redis://127.0.0.1:{ports[_REDIS_PORT]}",
        "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "UVICORN_PORT": ports["8000"],
        "FLASK_RUN_PORT": ports["5000"],
        # A file that is saved again in the same second must not be taken for the one before.
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }


def _await_output(command: Command, ran: Ran) -> None:
    try:
        eventually_sync(lambda: contains_shown(command.shown, ran.output), PATIENCE, "not written")
    except NotSoError:
        raise ValueError(f"`{command.text}` has written:\n{ran.output}") from None


@contextmanager
def _told(page: str, line: int) -> Generator[None]:
    """Say where in a page it was that something went wrong."""
    try:
        yield
    except PageFailedError:
        raise
    except (AssertionError, ValueError, SyntaxError, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        raise PageFailedError(f"{page}:{line}: {type(error).__name__}: {error}") from None
