"""An application in a container: light work in the workers, heavy work in pods of its own."""

from oxmq import Kubernetes, Oxmq, cron

app = Oxmq()  # $OXMQ_URL


@app.task(queue="default", attempts=3)
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@app.task(queue="heavy", run=Kubernetes(cpu="500m", memory="512Mi", timeout="2h"), attempts=2)
def monthly_report(month: int) -> int:
    return sum(day * day for day in range(1_000_000 * month))


@app.task(queue="heavy", run=Kubernetes(cpu="1", memory="1Gi", timeout="1h"), schedule=cron("0 2 * * *"), attempts=3)
def nightly_totals() -> int:
    return sum(range(10_000_000))
