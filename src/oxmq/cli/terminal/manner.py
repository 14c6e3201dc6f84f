"""Say how a command that changes many things behaves towards whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass

from oxmq.cli.terminal.confirmation import confirm
from oxmq.cli.terminal.screen import say, show_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Hold what the operator said besides what to do.

    Attributes:
        yes: do not ask.
        dry_run: do nothing.
        json: the answer is for a program.
    """

    yes: bool
    dry_run: bool
    json: bool

    def agree(self, scope: str) -> None:
        """Ask whether to go on, where that is needed; see `confirm`."""
        confirm(scope, yes=self.yes or self.dry_run)

    def report(self, sentence: str, answer: object) -> None:
        """Print what was done: a sentence for people, or an answer for programs."""
        if self.json:
            show_json(answer)
        else:
            say(sentence)
