"""Accept work in a Flask application, and say how far it is.

flask --app examples/flask_app oxmq worker &
flask --app examples/flask_app run          # then: curl -i -X POST http://127.0.0.1:5000/reports/3
python examples/flask_app.py                # both in one process, asked once
"""

from __future__ import annotations

import asyncio
import threading
import time

import httpx2
from flask import Flask, Response, abort, current_app, url_for
from werkzeug.serving import make_server

from oxmq import Oxmq
from oxmq.integrations.flask import OxmqFlask, accepted
from oxmq.sync import Queue

oxmq = Oxmq()
reports = Queue("reports", oxmq.endpoint.source)


@oxmq.task(queue="reports")
def write_report(month: int) -> str:
    return f"report of month {month} by {current_app.config['AUTHOR']}"  # jobs run in the application's context


def create_app() -> Flask:
    flask_app = Flask(__name__)
    flask_app.config["AUTHOR"] = "Ada"
    OxmqFlask(flask_app, oxmq)

    @flask_app.post("/reports/<int:month>")
    def order_report(month: int) -> Response:
        job = write_report.enqueue_sync(month)
        return accepted(job, location=url_for("show_report", job_id=job.id))

    @flask_app.get("/reports/<job_id>")
    def show_report(job_id: str) -> dict[str, object]:
        state = reports.get_job_state(job_id)  # first: what is read after it is at least as new
        job = reports.get_job(job_id)
        if job is None:
            abort(404)
        return {"state": state, "result": job.return_value}

    return flask_app


def order_one(address: str) -> None:
    with httpx2.Client(base_url=address) as client:
        answer = client.post("/reports/3")
        print(answer.status_code, answer.headers["Location"].rpartition("/")[0])
        job = client.get(answer.headers["Location"]).json()
        while job["state"] != "completed":
            time.sleep(0.05)  # a client asks now and then
            job = client.get(answer.headers["Location"]).json()
        print(job["state"], job["result"], sep=": ")


async def main() -> None:
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    worker = oxmq.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    await asyncio.to_thread(order_one, f"http://127.0.0.1:{server.server_port}")
    await worker.close()
    await working
    reports.close()
    server.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
