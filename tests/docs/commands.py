"""Know the commands of a page: which lines they have, what they are to write, whether they can be run here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import dropwhile, groupby, pairwise
from typing import Final

import typer.main
from msgspec import Struct
from typer.core import TyperGroup

from oxmq.cli.program import program

PROMPT: Final = "$ "
#: What the commands begin with that only an administrator may give; they are shown, not run.
ROOT_PROMPT: Final = "# "
#: What needs a network, a cluster, rights or a machine of its own. It is shown, not run.
ELSEWHERE: Final = (
    "apt", "apt-get", "brew", "docker", "git", "helm", "journalctl", "kubectl", "kustomize", "make", "npm", "npx",
    "pip", "podman", "psql", "redis-cli", "sudo", "systemctl", "uv", "valkey-cli",
)  # fmt: skip
#: What only looks: it may be repeated until it shows what the page says. Readers are slower than programs.
_LOOKS: Final = re.compile(
    r"oxmq (?:queue|job|schedule) (?:list|show|logs)\b|oxmq (?:doctor|health)\b|cat |grep |tail |"
    r"curl (?!.*(?:\s-X|\s-d|--json|--data|--request))"
)
#: What stands between simple commands.
_OPERATORS: Final = "();<>|&"
_EXIT: Final = re.compile(r"\s# exits with (\d+)\s*$")


class Command(Struct, frozen=True):
    """Hold one command of a block, and the lines below it.

    Attributes:
        text: as typed, with the lines that go on.
        shown: what it is to write; empty where the page does not say.
        line: its line in the page, from 1.
    """

    text: str
    shown: str
    line: int

    @property
    def is_elsewhere(self) -> bool:
        """Tell whether it cannot be run here."""
        return self.words[:1] != [] and self.words[0] in ELSEWHERE

    @property
    def is_background(self) -> bool:
        """Tell whether the shell goes on while it runs."""
        return _without_remark(self.text).endswith("&")

    @property
    def only_looks(self) -> bool:
        """Tell whether it may be repeated."""
        return _LOOKS.match(self.text) is not None

    @property
    def exit_code(self) -> int:
        """Return the exit code that the page announces."""
        found = _EXIT.search(self.text)
        return int(found[1]) if found else 0

    @property
    def words(self) -> list[str]:
        """Return its words, without the settings of variables before them."""
        words = shlex.split(self.text, comments=True)
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        return words


def find_commands(text: str, line: int) -> Iterator[Command]:
    """Yield the commands of a block that begins at a line of the page.

    Raises:
        ValueError: there are none.
    """
    rows = text.splitlines()
    starts = [at for at, row in enumerate(rows) if row.startswith(PROMPT)]
    if not starts and not text.startswith(ROOT_PROMPT):
        raise ValueError(f"a command begins with {PROMPT!r}")
    for start, end in pairwise([*starts, len(rows)]):
        last = start
        while last + 1 < end and _goes_on("\n".join(rows[start : last + 1]).removeprefix(PROMPT)):
            last += 1
        typed = "\n".join([rows[start].removeprefix(PROMPT), *rows[start + 1 : last + 1]])
        yield Command(typed, "\n".join(rows[last + 1 : end]).strip("\n"), line + start)


def check_options(command: Command) -> None:
    """Raise `ValueError` where a command of oxmq names a command or an option that there is not."""
    for words in _simple_commands(command.text):
        if words[:1] == ["oxmq"]:
            _check_words(words[1:])


def _check_words(names: list[str]) -> None:
    group = typer.main.get_command(program)
    path = "oxmq"
    while isinstance(group, TyperGroup) and names and not names[0].startswith("-"):
        path, word = f"{path} {names[0]}", names.pop(0)
        if word not in group.commands:
            raise ValueError(f"there is no command {path!r}")
        group = group.commands[word]
    known = {option for each in group.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    unknown = [name for name in names if name.startswith("-") and name.split("=")[0] not in known]
    if unknown and "..." not in unknown:
        raise ValueError(f"{path} has no option {', '.join(unknown)}")


def _simple_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command between pipes and other operators."""
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for is_operator, words in groupby(lexer, lambda word: not set(word) - set(_OPERATORS)):
        if not is_operator:
            plain = list(words)
            yield list(dropwhile(lambda word: re.match(r"\w+=", word), plain))


def _goes_on(typed: str) -> bool:
    """Tell whether a shell would ask for another line."""
    if typed.endswith("\\"):
        return True
    try:
        shlex.split(typed, comments=True)
    except ValueError:
        return True
    return False


def _without_remark(text: str) -> str:
    return re.sub(r"\s#[^'\"]*$", "", text).rstrip()
