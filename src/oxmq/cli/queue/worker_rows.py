"""Say in one row how a worker is: for `oxmq queue show` and `oxmq top`."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from oxmq.cli.terminal.tables import Cell, Column
from oxmq.cli.terminal.times import span
from oxmq.cli.terminal.visible import visible
from oxmq.monitor.workers import Worker

COLUMNS: Final = (
    Column(title="queue"),
    Column(title="worker"),
    Column(title="health"),
    Column(title="busy", right=True),
    Column(title="host", least=90),
    Column(title="pid", right=True, least=100),
    Column(title="up", right=True, least=80),
    Column(title="memory", right=True, least=120),
    Column(title="runs", wide=True, least=60),
)
_STYLES: Final = {"ok": "green", "stuck": "bold red", "slow": "yellow", "gone": "red", "paused": "yellow"}


def worker_cells(worker: Worker) -> tuple[Cell, ...]:
    """Return the cells for `COLUMNS`."""
    health = visible(f"{worker.health}: {worker.reason}" if worker.reason else worker.health)
    return (
        worker.queue,
        worker.name or worker.address or worker.id,
        Text(health, style=_STYLES.get(worker.health, "")),
        str(worker.busy) if worker.slots is None else f"{worker.busy}/{worker.slots}",
        worker.host,
        None if worker.pid is None else str(worker.pid),
        None if worker.connected_for is None else span(worker.connected_for),
        None if worker.memory is None else f"{worker.memory / 2**20:.0f} MiB",
        ", ".join(f"{job.name} {span(job.running_for)}" for job in worker.jobs),
    )
