"""Check the terms on which an outbox is relayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oxmq.durations import Duration, positive_milliseconds
from oxmq.ops.call import MAX_ROWS
from oxmq.options import check_whole
from oxmq.outbox.relay import Relay
from oxmq.outbox.store import Store

if TYPE_CHECKING:
    from oxmq.app import Oxmq


def make_relay(app: Oxmq, store: Store, interval: Duration, batch_size: int, in_workers: bool) -> Relay:
    """Return the relay of a store; where `in_workers` says so, each worker process of the app runs it.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """
    seconds = positive_milliseconds(interval, "interval") / 1000
    check_whole(batch_size, "batch_size", least=1, most=MAX_ROWS)
    relay = Relay(app, store, seconds, batch_size)
    if in_workers:
        app.on_startup(relay.start)
        app.on_shutdown(relay.stop)
    return relay
