"""Mount the dashboard and oxmq's HTTP API in a FastAPI application of one's own, which accepts work as jobs.

uvicorn web_api:api --app-dir examples      # serves it, dashboard included: http://127.0.0.1:8000/oxmq/
python examples/web_api.py                  # asks it once
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI, Response

from oxmq import Oxmq, current_job
from oxmq.web import oxmq_web

app = Oxmq()
# Without tokens, logins or a guard, only this computer is let in: see `oxmq.web.Access`.
dashboard = oxmq_web(app)


@app.task(queue="reports")
async def write_report(month: int) -> str:
    await current_job().update_progress(50)
    return f"report of month {month}"


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
    worker = app.worker()
    working = asyncio.create_task(worker.run(handle_signals=False))
    async with dashboard.router.lifespan_context(dashboard):  # what is mounted is not told of the end by itself
        yield
    await worker.close()
    await working
    await app.close()


api = FastAPI(lifespan=lifespan)
api.mount("/oxmq", dashboard)


@api.post("/reports/{month}", status_code=202)
async def order_report(month: int, response: Response) -> dict[str, str]:
    job = await write_report.enqueue(month)
    response.headers["Location"] = f"/oxmq/api/queues/reports/jobs/{job.id}"
    return {"id": job.id}


async def main() -> None:
    transport = httpx2.ASGITransport(app=api)
    async with lifespan(api), httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        accepted = await client.post("/reports/3")
        print(accepted.status_code, accepted.reason_phrase)
        job = (await client.get(accepted.headers["Location"])).json()
        while job["state"] != "completed":
            await asyncio.sleep(0.05)
            job = (await client.get(accepted.headers["Location"])).json()
        print(job["state"], job["result"], sep=": ")


if __name__ == "__main__":
    asyncio.run(main())
