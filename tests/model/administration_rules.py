"""Stop a queue, limit it, empty it, and run many of its jobs again."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from oxmq.keys import QueueKeys
from oxmq.ops import administration as ops
from oxmq.ops import jobs, queues
from oxmq.ops.administration import Place
from oxmq.ops.call import Call, command, run_script, text
from tests.model import administration
from tests.model.machine import SPAN_MS, Machine, any_job, bases, needs, which

STEERING = ("pause", "resume", "resume", "concurrency", "no concurrency", "rate", "no rate", "hold", "let go")
CONTAINERS = ("wait", "active", "delayed", "prioritized", "completed", "failed", "waiting-children")


class AdministrationRules(Machine):
    """Do what is done to a queue as a whole."""

    @rule(base=bases, what=st.sampled_from(STEERING), number=st.integers(1, 2))
    def steer(self, base: str, what: str, number: int) -> None:
        queue, keys = self.queue(base), self.keys(base)
        fields = {"max": number, "duration": number * SPAN_MS} if "rate" in what else {"concurrency": number}
        match what:
            case "pause":
                self.both(lambda: administration.pause(queue), queues.pause(keys))
            case "resume":
                self.both(lambda: administration.resume(queue), queues.resume(keys, first=True))
            case "concurrency" | "rate":
                self.both(lambda: queue.meta.update(fields), queues.set_meta(keys, fields))
            case "no concurrency" | "no rate":
                # Whoever found the queue closed looks again by itself.
                self.watched.add(base)
                self.both(lambda: queue.forget_limits(*fields), queues.remove_meta(keys, fields))
            case "hold":
                self.both(lambda: administration.hold(queue, number * SPAN_MS), queues.hold(keys, number * SPAN_MS))
            case _:
                self.both(lambda: administration.let_go(queue), ops.remove_rate_limit(keys))

    @needs(lambda queue: queue.owners)
    @rule(base=bases, number=st.one_of(st.none(), which))
    def free(self, base: str, number: int | None) -> None:
        """Free a deduplication id, whoever owns it, or only if one job does."""
        base = self.busiest(base, lambda queue: queue.owners)
        queue, keys = self.queue(base), self.keys(base)
        name = min(queue.owners)
        if number is None:
            self.both(lambda: int(queue.owners.pop(name, None) is not None), ops.remove_deduplication(keys, name))
        else:
            job_id = self.pick(base, number, [str(queue.owners[name].value)])
            self.both(lambda: queue.free(name, job_id), jobs.remove_deduplication_key(keys, name, job_id))

    @needs(any_job)
    @rule(
        base=bases,
        what=st.sampled_from(["drain", "drain", "clean", "clean", "clean", "obliterate"]),
        number=st.integers(0, len(CONTAINERS) - 1),
        grace=st.sampled_from([0, 0, 1_000]),
        most=st.sampled_from([1, 2, 100]),
        force=st.booleans(),
    )
    def empty(self, base: str, what: str, number: int, grace: int, most: int, force: bool) -> None:
        base = self.busiest(base, lambda queue: queue.jobs)
        full = [name for name in CONTAINERS if administration.line(self.queue(base), name)] or list(CONTAINERS)
        container = full[number % len(full)]
        match what:
            case "drain":
                self._drain(base, container, most)
            case "clean":
                self._clean(base, container, grace, most)
            case _:
                self._obliterate(base, most, force=force)

    def _drain(self, base: str, container: str, piece: int) -> None:
        if container in ("wait", "delayed", "prioritized"):
            self.both(
                lambda: administration.drain(self.queue(base), container),
                self._whole_drain(self.keys(base), container, piece),
            )

    def _whole_drain(self, keys: QueueKeys, container: str, piece: int) -> Call[int]:
        """Return the last call of a drain in small pieces; it returns how many jobs went in all."""
        gone, place, more = 0, Place(), True
        while more:
            call = run_script("drain", keys.base, container, piece, place.id, place.at, decode=lambda reply: reply)
            count, _, _, more, last_id, at = self.runner.run(call)
            gone, place = gone + count, Place(text(last_id), text(at))
        return command("PING", decode=lambda _: gone)

    def _clean(self, base: str, container: str, grace: int, most: int) -> None:
        self.both(
            lambda: administration.clean(self.queue(base), container, self.now - grace, most),
            ops.clean(self.keys(base), container, self.now - grace, Place(), most=most, first=True),
            lambda piece: piece.ids,
        )

    def _obliterate(self, base: str, count: int, *, force: bool) -> None:
        queue, keys = self.queue(base), self.keys(base)
        call = ops.obliterate(keys, count, force=force)
        if (force or count > 1) and "paused" not in queue.meta:
            self.both(lambda: administration.pause(queue), queues.pause(keys))
        may_go_on = "paused" in queue.meta and (force or not queue.active)
        if not may_go_on:
            self.both(lambda: administration.obliterate(queue, force=force), call)
            return
        while self.runner.run(call):
            pass
        administration.obliterate(queue, force=force)
        self.agree()
        self.open_queue(base)

    @needs(lambda queue: [*queue.failed, *queue.completed, *queue.delayed])
    @rule(base=bases, state=st.sampled_from(["failed", "completed", "delayed"]), count=st.sampled_from([1, 2, 100]))
    def run_again(self, base: str, state: str, count: int) -> None:
        base = self.busiest(base, lambda queue: queue.sets()[state])
        upto = None if state == "delayed" else self.now
        self.both(
            lambda: administration.run_again(self.queue(base), state, upto, count),
            ops.requeue(self.keys(base), state, upto, count),
            lambda reply: (reply.moved, reply.left),
        )
