"""Ask a question, or show the keys, in front of a screen."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from oxmq.cli.terminal.visible import visible_lines

_KEYS: Final = (
    ("↑ ↓ PgUp PgDn", "move"),
    ("Enter", "open the queue or the job"),
    ("Esc", "back"),
    ("1 … 7, ← →", "another state, in a queue"),
    ("/", "filter queues by name, or search jobs"),
    ("s", "sort by the next column"),
    ("p", "pause or resume the queue"),
    ("r", "retry the job, or run a delayed one now"),
    ("w", "workers"),
    ("F5", "read now"),
    ("q", "quit"),
)


class Question(ModalScreen[bool]):
    """Ask whether to do something; the answer is the screen's result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self._sentence = sentence

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog"):
            yield Static(Text(visible_lines(self._sentence)), id="question")
            yield Static(Text("y: yes   n: no", style="dim"))

    def action_answer(self, yes: bool) -> None:
        """Close with an answer."""
        self.dismiss(yes)


class Help(ModalScreen[None]):
    """Show what the keys do."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "close", "Close")]

    def compose(self) -> ComposeResult:
        """Lay the dialog out."""
        with Vertical(classes="dialog"):
            yield Static(Text("\n").join(Text.assemble((f"{keys:<15}", "bold"), words) for keys, words in _KEYS))

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)
