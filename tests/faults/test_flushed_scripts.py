"""F8: the server forgets the scripts, again and again."""

from __future__ import annotations

import threading

from tests.faults.stage import Stage

#: So often that it happens between the loading of a script and its use, too; in seconds.
INTERVAL = 0.005


def test_nobody_notices(stage: Stage) -> None:
    stage.start_workers(2)
    stage.start_producers(2, gap=0.005)
    stage.start_producers(1, bulk=20, gap=0.1)
    over = threading.Event()

    def flush() -> None:
        with stage.server.client() as client:
            while not over.wait(INTERVAL):
                client.script_flush()

    flushing = threading.Thread(target=flush)
    flushing.start()
    try:
        stage.until("end", 400, 20)
    finally:
        over.set()
        flushing.join()
    assert [record for record in stage.records if record.what == "error"] == []
    assert [record for record in stage.records if record.how in ("fail", "info")] == []
    stage.finish()
