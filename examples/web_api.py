"""Accept work in a FastAPI application, run it in the same process, and serve the dashboard beside it.

uvicorn web_api:api --app-dir examples      # serves it, dashboard included: http://127.0.0.1:8000/oxmq/
python examples/web_api.py                  # asks it once
"""

from __future__ import annotations

import asyncio

import httpx2
from fastapi import FastAPI, Request, Response

from oxmq import Oxmq, current_job
from oxmq.integrations.fastapi import accepted, lifespan, tell_problems
from oxmq.web import oxmq_web

app = Oxmq()
api = FastAPI(lifespan=lifespan(app, worker=True))
tell_problems(api)
# Without tokens, logins or a guard, only this computer is let in: see `oxmq.web.Access`.
api.mount("/oxmq", oxmq_web(app))


@app.task(queue="reports")
async def write_report(month: int) -> str:
    await current_job().update_progress(50)
    return f"report of month {month}"


@api.post("/reports/{month}", status_code=202)
async def order_report(month: int, request: Request) -> Response:
    return accepted(await write_report.enqueue(month), request)


async def main() -> None:
    transport = httpx2.ASGITransport(app=api)
    client = httpx2.AsyncClient(transport=transport, base_url="http://localhost")
    async with api.router.lifespan_context(api), client:
        answer = await client.post("/reports/3")
        print(answer.status_code, answer.reason_phrase)
        job = (await client.get(answer.headers["Location"])).json()
        while job["state"] != "completed":
            await asyncio.sleep(0.05)
            job = (await client.get(answer.headers["Location"])).json()
        print(job["state"], job["result"], sep=": ")


if __name__ == "__main__":
    asyncio.run(main())
