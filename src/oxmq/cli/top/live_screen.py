"""Be a screen whose content is read anew again and again, for as long as somebody looks."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar, cast

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from oxmq.cli.terminal.visible import visible
from oxmq.errors import OxmqError
from oxmq.monitor.site import Site

if TYPE_CHECKING:
    from oxmq.cli.top.app import TopApp

V = TypeVar("V")


class LiveScreen(Screen[None], Generic[V]):
    """Read a view, show it, and do so again at each tick while the screen is in front and the terminal has focus.

    A server that does not answer is told of in the last line, and what was shown before stays.
    """

    AUTO_FOCUS = "LiveTable"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]

    def __init__(self) -> None:
        super().__init__()
        self.view: V | None = None
        self._ticks: Timer | None = None
        self._under_way = 0

    @property
    def top(self) -> TopApp:
        """Return the application."""
        return cast("TopApp", self.app)  # pyright: ignore[reportUnknownMemberType] - Textual leaves its parameter open

    @property
    def site(self) -> Site:
        """Return what is shown."""
        return self.top.site

    async def read(self) -> V:
        """Read the view."""
        raise NotImplementedError  # Textual's metaclass is not that of abstract classes

    def show(self, view: V) -> None:
        """Show a view that was read."""
        raise NotImplementedError  # as above

    def on_mount(self) -> None:
        """Begin to read."""
        self._ticks = self.set_interval(self.top.interval, self._tick)
        self.reload()

    def on_screen_resume(self) -> None:
        """Read at once when the screen comes to the front."""
        if self._ticks is not None:
            self.reload()

    def _tick(self) -> None:
        # A server that is slow is not asked again before it has answered.
        if self.is_current and not self.top.out_of_sight and not self._under_way:
            self.reload()

    @work(exclusive=True, group="reload")
    async def reload(self) -> None:
        """Read now, without waiting for the next tick."""
        self._under_way += 1
        try:
            view = await self.read()
        except OxmqError as error:
            self.status(str(error), style="bold red")
            return
        finally:
            self._under_way -= 1
        self.view = view
        self.status("")
        with suppress(NoMatches):  # the screen has been left meanwhile, and is being taken down
            self.show(view)

    def show_again(self) -> None:
        """Show the latest view once more, after something about its looks has changed."""
        if self.view is not None:
            self.show(self.view)

    def status(self, text: str, style: str = "") -> None:
        """Write the last line."""
        for line in self.query("#status").results(Static):
            line.update(Text(visible(text), style=style))
            line.display = bool(text)

    def action_back(self) -> None:
        """Go back to the screen before this one."""
        if len(self.top.screen_stack) > 2:
            self.top.pop_screen()
