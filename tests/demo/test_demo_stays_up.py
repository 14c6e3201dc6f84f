"""A demo that stays up: its addresses work until Ctrl-C."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx2

from oxmq.demo.operations import OPERATIONS, YEARLY_REPORT
from tests.demo.running_demo import StartDemo
from tests.support.waiting import eventually_sync


def test_the_demo_stays_up_until_ctrl_c(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo(tmp_path, requests=1)
    demo.says("See the jobs live:")
    url = re.search(r"http://127\.0\.0\.1:\d+", demo.text)
    assert url
    assert demo.text.rstrip().endswith(f"{url[0]}/oxmq/")
    answer = httpx2.post(f"{url[0]}/jobs/welcome-email", json={"name": "Ada", "address": "ada@customer.test"})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["status_url"]
    status_url = url[0] + answer.json()["status_url"]
    eventually_sync(lambda: httpx2.get(status_url).json()["state"] == "completed", 10)
    _assert_jobs_can_be_followed(url[0])
    demo.process.send_signal(signal.SIGINT)
    assert demo.ends() == 0, demo.text
    demo.assert_nothing_is_left()


def _assert_jobs_can_be_followed(url: str) -> None:
    queues = httpx2.get(f"{url}/oxmq/api/queues").json()["queues"]
    assert {operation.queue for operation in (*OPERATIONS, YEARLY_REPORT)} <= {queue["name"] for queue in queues}
    assert httpx2.get(f"{url}/oxmq/queues/demo-reports").status_code == 200
    accepted = httpx2.post(f"{url}/jobs/pdf-report", json={"key": "followed", "month": 3, "rows": 4000}).json()
    assert httpx2.get(url + accepted["status_url"]).json()["events_url"] == accepted["events_url"]
    live = {"Accept": "text/event-stream"}
    with httpx2.stream("GET", url + accepted["events_url"], headers=live, timeout=30) as stream:
        events = "\n".join(stream.iter_lines())
    progress = [int(value) for value in re.findall(r'"progress":\s*(\d+)', events)]
    assert progress == sorted(progress)
    assert 0 < progress[0] < progress[-1] == 100
    assert '"completed"' in events
