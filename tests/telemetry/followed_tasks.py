"""Tasks that make spans of their own wherever tasks can run, each of which enqueues the next."""

from __future__ import annotations

import os

from opentelemetry import trace

from oxmq import Kubernetes, Oxmq

#: Followed because ``--otel`` says so; the server and the prefix are the test's.
app = Oxmq(prefix=os.environ.get("OXMQ_TEST_PREFIX", "bull"))
tracer = trace.get_tracer("followed")


@app.task(queue="followed")
async def on_the_loop(secret: str) -> str:
    """Go on in a thread."""
    with tracer.start_as_current_span("on the loop"):
        await in_a_thread.enqueue(secret)
    return secret


@app.task(queue="followed")
def in_a_thread(secret: str) -> str:
    """Go on in a child process."""
    with tracer.start_as_current_span("in a thread"):
        in_a_process.enqueue_sync(secret)
    return secret


@app.task(queue="followed", run="process")
def in_a_process(secret: str) -> str:
    """Go on in a limited process."""
    with tracer.start_as_current_span("in a process"):
        in_a_pod.enqueue_sync(secret)
    return secret


@app.task(queue="followed", run=Kubernetes(memory="1Gi"))
def in_a_pod(secret: str) -> str:
    """End here."""
    with tracer.start_as_current_span("in a pod"):
        return secret


if __name__ == "__main__":
    from oxmq.cli import main

    main()
