"""Run the `oxmq` command within the test's own process: fast, and with what it prints told apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from oxmq.cli.program import program


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Hold how a command ended.

    Attributes:
        code: the exit code.
        output: what it printed as its result.
        remarks: what else it printed.
    """

    code: int
    output: str
    remarks: str

    @property
    def json(self) -> Any:
        """Return the one JSON document that was printed."""
        return json.loads(self.output)


class Terminal:
    """Run commands about one server and prefix, on a terminal of 200 columns that nobody sits at."""

    def __init__(self, url: str, prefix: str) -> None:
        self.environment = {"OXMQ_URL": url, "OXMQ_PREFIX": prefix, "COLUMNS": "200", "NO_COLOR": "1"}

    def run(self, *arguments: str, typed: str | None = None, **environment: str) -> Ended:
        """Run a command; `typed` is what its standard input holds."""
        result = CliRunner().invoke(program, arguments, input=typed, env=self.environment | environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(code=result.exit_code, output=result.stdout, remarks=result.stderr)

    def ok(self, *arguments: str, **environment: str) -> str:
        """Run a command that must succeed, and return what it printed as its result."""
        ended = self.run(*arguments, **environment)
        assert ended.code == 0, ended
        return ended.output

    def json(self, *arguments: str) -> Any:
        """Run a command with ``--json`` that must succeed, and return its answer."""
        return json.loads(self.ok(*arguments, "--json"))
