"""Be the application behind `oxmq top`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from oxmq.cli.top.dialogs import Help
from oxmq.cli.top.overview import OverviewScreen
from oxmq.cli.top.workers import WorkersScreen
from oxmq.monitor.site import Site
from oxmq.ops import server
from oxmq.transport.connect import Endpoint

if TYPE_CHECKING:
    from textual.events import AppBlur, AppFocus


class TopApp(App[None]):
    """Show the queues of a site, live.

    Args:
        site: the server and prefix; whoever made it closes it.
        interval: how many seconds pass between two looks.

    Attributes:
        out_of_sight: whether the terminal has lost the focus, so that nothing need be read.
    """

    ENABLE_COMMAND_PALETTE = False
    TITLE = "oxmq top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("w", "workers", "Workers"),
        Binding("f5", "reload", "Read now", show=False),
    ]
    CSS = """
    Screen { layers: base; }
    #head { height: auto; padding: 0 1; }
    #attention { height: auto; max-height: 4; padding: 0 1; }
    #attention, #status { text-wrap: nowrap; text-overflow: ellipsis; }
    #status { dock: bottom; height: 1; display: none; padding: 0 1; margin-bottom: 1; }
    #filter { display: none; height: 3; }
    LiveTable { height: 1fr; }
    #detail { height: 1fr; padding: 0 1; }
    Question, Help { align: center middle; }
    .dialog { width: auto; max-width: 90%; height: auto; max-height: 90%; padding: 1 2; }
    .dialog { border: round $accent; background: $surface; }
    .dialog Static { width: auto; max-width: 100%; }
    """

    def __init__(self, site: Site, interval: float = 2.0) -> None:
        super().__init__()
        self.site = site
        self.interval = interval
        self.out_of_sight = False

    def on_mount(self) -> None:
        """Begin with the overview."""
        self.push_screen(OverviewScreen())

    def on_app_blur(self, event: AppBlur) -> None:
        """Stop reading while the operator looks elsewhere."""
        self.out_of_sight = True

    def on_app_focus(self, event: AppFocus) -> None:
        """Read on."""
        self.out_of_sight = False
        self.action_reload()

    def action_help(self) -> None:
        """Show what the keys do."""
        self.push_screen(Help())

    def action_workers(self) -> None:
        """Show the workers."""
        if not isinstance(self.screen, WorkersScreen):
            self.push_screen(WorkersScreen())

    def action_reload(self) -> None:
        """Read now."""
        reload = getattr(self.screen, "reload", None)
        if reload is not None:
            reload()


def watch(endpoint: Endpoint, prefix: str, interval: float) -> int:
    """Show the queues until the operator quits, and return the exit code.

    Raises:
        BackendError: the server does not answer at all.
    """

    async def run() -> int:
        async with Site(endpoint, prefix=prefix) as site:
            # An address that is wrong is said so on the terminal that the operator will see.
            await site.runner.run(server.ping())
            app = TopApp(site, interval)
            await app.run_async()
            return app.return_code or 0

    return asyncio.run(run())
