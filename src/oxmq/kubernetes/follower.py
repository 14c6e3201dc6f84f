"""Follow one heavy job from the moment it is taken until its outcome is known.

The order of what is written decides what a crash may do. The run is noted on the queue's job before the pod is asked
for, and once more after; what the pod leaves lies on the job before the pod ends. A worker that takes the job over
finds the run, looks for its pod by name, and goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import msgspec
from msgspec import structs

from oxmq.errors import BackendError, Delay, JobError, JobTimeoutError, Unrecoverable
from oxmq.executors.child_task import Reference, Reply, raise_failure
from oxmq.kubernetes.cluster import ClusterError, NotFoundError, Object
from oxmq.kubernetes.diagnosis.job_state import job_state
from oxmq.kubernetes.diagnosis.outcome import (
    PodError,
    Verdict,
    failure,
    missing_words,
    silent_words,
    start_verdict,
    verdict,
)
from oxmq.kubernetes.diagnosis.pod_state import PodState, cannot_start, newest_first, pod_state
from oxmq.kubernetes.diagnosis.starting import pending_words
from oxmq.kubernetes.diagnosis.times import span
from oxmq.kubernetes.held_job import HeldJob
from oxmq.kubernetes.manifest import Work
from oxmq.kubernetes.naming import Identity
from oxmq.kubernetes.pod import EXIT_UNWANTED
from oxmq.kubernetes.site import Site, uid_of
from oxmq.kubernetes.spawning import spawn
from oxmq.kubernetes.spec import Kubernetes
from oxmq.kubernetes.watching import Followed
from oxmq.ops.remote_runs import Left, RemoteRun, RunState

_log = logging.getLogger("oxmq.kubernetes")

#: How often to look at a pod that does not run yet, and at one that does, in seconds.
_PENDING_TICK, _RUNNING_TICK = 2.0, 5.0
#: How often to look at the node of a program that has no heart, in seconds.
_NODE_TICK: Final = 30.0
#: For how long an image may be missing before the attempt fails: registries stumble, tags arrive late. In seconds.
_IMAGE_GRACE: Final = 30.0
#: When a run that a disruption ended is followed by another one, in seconds.
_AFTER_DISRUPTION: Final = 5.0
#: How long the deletion of a run's Job may take while its job is being stopped, in seconds. What is left is the
#: reconciler's.
_DELETE_PATIENCE: Final = 3.0
#: How often to look whether a pod that was told to end has ended, and how much longer than its grace period that may
#: take, in seconds.
_STOP_TICK, _STOP_MARGIN = 0.5, 10.0
#: How much of a program's log goes to its job: lines, and characters a line.
_LOG_LINES, _LOG_WIDTH = 200, 4_096
#: How many last lines a failure quotes.
_QUOTED_LINES: Final = 20
#: How many disruptions of one attempt are made up for; after so many it has failed.
_MOST_DISRUPTIONS: Final = 10


class Follower:
    """Follow one job. Made for each run of a job by a worker.

    Args:
        site_in: returns where runs of a namespace take place.
        namespace: where this one does, unless it has begun elsewhere.
        held: the job.
        spec: what its task says of its pod.
        reference: where the pod finds the task.
    """

    def __init__(
        self,
        site_in: Callable[[str], Site],
        namespace: str,
        held: HeldJob,
        spec: Kubernetes,
        reference: Reference,
    ) -> None:
        self._site_in = site_in
        self._site = site_in(namespace)
        self._held = held
        self._spec = spec
        self._reference = reference
        self._hopeless_since: float | None = None
        self._looked_at = 0.0
        self._has_waited = False
        self._running: PodState | None = None

    async def run(self) -> msgspec.Raw:
        """Spawn or find the job's pod, follow it, and return its result as JSON.

        Raises:
            PodError, JobTimeoutError: the attempt has failed.
            Unrecoverable: the job has failed.
            Delay: it is to be taken again, at no cost: a disruption ended the pod, or the event loop ends.
            WaitForChildren, RateLimited: the task raised them.
            CancelledError: the job was stopped, or goes back to the queue because the worker closes.
        """
        state = await self._held.read_state()
        if state.current is not None:
            # The task's pods may have run elsewhere when that one was begun.
            self._site = self._site_in(state.current.namespace)
        identity = self._identify(state)
        # A run that has begun keeps its name, whatever this installation is called by now.
        followed = self._site.watch.follow(identity.name if state.current is None else state.current.name)
        try:
            run = await self._begin(state, identity, followed)
            return await self._follow(run, followed)
        except asyncio.CancelledError:
            if self._held.noted is not None and self._held.is_to_stop:
                await self._stop(self._held.noted)
            if self._held.was_stopped:
                raise
            raise Delay(0) from None  # the event loop ends: that is no fault of the job, and its pod goes on
        finally:
            self._site.watch.leave(followed)

    # ---- beginning -----------------------------------------------------------------------------------------------

    def _identify(self, state: RunState) -> Identity:
        found = state.current
        number = found.number if found is not None else (state.run.number if state.run else 0) + 1
        return Identity(
            owner=self._site.owner,
            prefix=self._held.keys.prefix,
            queue=self._held.keys.name,
            job_id=self._held.id,
            timestamp=state.timestamp,
            number=number,
            attempt=state.attempts_made + 1,
            task=self._held.name,
        )

    async def _begin(self, state: RunState, identity: Identity, followed: Followed) -> RemoteRun:
        """Return the run, once its pod has been asked for."""
        run = self._held.noted = state.current
        if run is None:
            before = state.run
            run = RemoteRun(
                number=identity.number,
                attempt=identity.attempt,
                namespace=self._site.namespace,
                name=identity.name,
                phase="spawning",
                at_ms=self._held.now_ms(),
                disruptions=before.disruptions if before is not None and before.attempt == identity.attempt else 0,
            )
            await self._held.note(run, fresh=True)
        elif state.result is not None or run.phase == "spawned":
            return run
        work = Work(identity=identity, reference=self._reference, data=self._held.data)
        created = await spawn(self._site, self._held, self._spec, run, work)
        self._site.watch.found(followed, created)
        spawned = structs.replace(run, phase="spawned", uid=uid_of(created))
        await self._held.note(spawned)
        await self._held.tell(f"Kubernetes Job {run.namespace}/{run.name} was created")
        return spawned

    # ---- following -----------------------------------------------------------------------------------------------

    async def _follow(self, run: RemoteRun, followed: Followed) -> msgspec.Raw:
        while True:
            if followed.uid is None:
                await self._find(run, followed)
            missing, job = followed.missing, followed.job
            # Read after the cluster was: what the pod left, it left before it ended.
            state = await self._held.read_state()
            if state.result is not None:
                return await self._conclude(run, state.result)
            _check_wanted(run, state)
            if missing:
                await self._lose(run)
                continue  # what the pod left while it was being stopped counts
            if job is not None and (result := await self._judge(run, job, state)) is not None:
                return result
            await self._watch_over(run, state)
            await self._held.rest(_PENDING_TICK if self._running is None else _RUNNING_TICK, followed)

    async def _lose(self, run: RemoteRun) -> None:
        """Fail the attempt of a run whose Job is gone; the first time, only wait until its pods are gone, too."""
        if self._has_waited:
            pods = await self._site.pods_of(run) or []
            raise PodError(missing_words(run.name, pods, await self._site.events_of(run)))
        await self._until_stopped(run, self._held.rest)

    async def _until_stopped(self, run: RemoteRun, rest: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Wait until the pods of a run have ended whose Job is gone: the next attempt is not to run beside them.

        For as long as they may take over it: nobody can tell how long a node that does not answer will.

        Args:
            run: the run.
            rest: how to wait. What is known of the end would be lost if the job were let go of.
        """
        self._has_waited = True
        ends = asyncio.get_running_loop().time() + self._spec.grace_seconds + _STOP_MARGIN
        while asyncio.get_running_loop().time() < ends:
            pods = await self._site.pods_of(run)
            if pods is not None and all(pod_state(pod).ended is not None for pod in pods):
                return
            await rest(_STOP_TICK)

    async def _find(self, run: RemoteRun, followed: Followed) -> None:
        """Look for the Job of a run that another worker has begun."""
        try:
            job = await self._site.cluster.get_job(run.namespace, run.name)
        except NotFoundError:
            followed.tell(None)
        except ClusterError as error:
            _log.warning("Job %s/%s cannot be looked for: %s", run.namespace, run.name, error)
        else:
            if run.uid in ("", uid_of(job)):
                self._site.watch.found(followed, job)
            else:
                followed.tell(None)  # somebody made another one of that name: ours is gone

    async def _watch_over(self, run: RemoteRun, state: RunState) -> None:
        """Look at the pod of a Job that has not ended, and stop what takes too long."""
        if self._running is None:
            await self._look_at_pod(run)
        if self._running is not None:
            await self._check_time(run, state, self._running)

    async def _look_at_pod(self, run: RemoteRun) -> None:
        pods = await self._site.pods_of(run)
        if pods is None:
            return
        pod = _newest(pods)
        state = pod_state(pod)
        if state.running_since is not None:
            self._running = state
            await self._held.tell(f"pod {state.name} runs on node {state.node}")
        elif state.has_started:
            return  # the Job is about to say how it ended
        elif self._held.seconds_since(run.at_ms) > self._spec.pending_seconds:
            events = await self._site.events_of(run, state.name)
            await self._fail(run, Verdict("failed", pending_words(pod, events, self._spec.pending_seconds)))
        elif pod is not None:
            await self._check_start(run, pod, state)

    async def _check_start(self, run: RemoteRun, pod: Object, state: PodState) -> None:
        """Give up a pod that has been unable to start for a while, and will be."""
        events = await self._site.events_of(run, state.name) if cannot_start(pod) else []
        if not cannot_start(pod, events):
            self._hopeless_since = None
            return
        now = asyncio.get_running_loop().time()
        self._hopeless_since = self._hopeless_since or now
        if now - self._hopeless_since >= _IMAGE_GRACE:
            await self._fail(run, start_verdict(pod, events))

    async def _check_time(self, run: RemoteRun, state: RunState, pod: PodState) -> None:
        limit, since = self._spec.timeout_seconds, pod.running_since
        assert since is not None
        # The node's clock may be behind: the pod has not run for longer than it was asked for.
        began_ms = max(int(since.timestamp() * 1000), run.at_ms)
        if limit is not None and self._held.seconds_since(began_ms) > limit:
            await self._stop(run)
            await self._until_stopped(run)
            raise JobTimeoutError(f"the pod ran longer than its timeout of {span(limit)} and was stopped")
        silent = self._held.seconds_since(max(state.heart_ms or 0, began_ms))
        if self._spec.command is not None:
            await self._check_node(run, pod)
        elif silent > self._spec.heart_seconds:
            # Its node may be cut off from the cluster, which then still says that the pod runs.
            pods = await self._site.pods_of(run) or []
            words = silent_words(pods, await self._site.events_of(run, pod.name), silent)
            await self._fail(run, Verdict("lost", words))

    async def _check_node(self, run: RemoteRun, pod: PodState) -> None:
        """Give up a program whose node has fallen silent, or which the cluster has replaced by another of its kind."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < _NODE_TICK:
            return
        self._looked_at = now
        pods = await self._site.pods_of(run) or []
        newest = pod_state(_newest(pods))
        since = newest.silent_since
        silent = 0.0 if since is None else self._held.seconds_since(int(since.timestamp() * 1000))
        if pods and newest.name != pod.name:
            await self._fail(run, Verdict("lost", f"the cluster has put pod {newest.name} in the place of {pod.name}"))
        if silent > self._spec.heart_seconds:
            await self._fail(
                run, Verdict("lost", silent_words(pods, await self._site.events_of(run, pod.name), silent))
            )

    async def _fail(self, run: RemoteRun, found: Verdict) -> NoReturn:
        await self._stop(run)
        await self._until_stopped(run)
        raise failure(found)

    # ---- ending --------------------------------------------------------------------------------------------------

    async def _conclude(self, run: RemoteRun, left: Left) -> msgspec.Raw:
        if left.result is None:
            if left.signal and left.signal != "Unrecoverable":
                # The attempt goes on, in another pod.
                await self._held.note(structs.replace(run, phase="over"), fresh=True)
            raise_failure(Reply(None, left.message, left.trace, left.signal, left.seconds))
        return msgspec.Raw(left.result.encode())

    async def _judge(self, run: RemoteRun, job: Object, state: RunState) -> msgspec.Raw | None:
        """Return the result of a run whose Job has ended and which left nothing; None while there is more to come."""
        if job_state(job).phase not in ("complete", "failed"):
            return None
        pods = await self._site.pods_of(run)
        if pods is None:
            return None  # the result, or the reason, is theirs to tell
        newest = next(iter(newest_first(pods)), None)
        if newest is not None and self._is_refused(newest, state):
            await self._wait_for_first(run, newest, pods, state)
            return None
        log = "" if newest is None or not newest.has_started else await self._read_log(run, newest)
        events = await self._site.events_of(run, newest.name if newest is not None else "")
        found = verdict(job, pods, events, log, self._spec) or Verdict("lost", "the Job has not ended after all")
        if found.kind == "succeeded":
            return self._result_of(newest)
        if found.kind == "disrupted":
            await self._run_again(run, found.words)
        raise failure(found)

    def _is_refused(self, pod: PodState, state: RunState) -> bool:
        """Tell whether the cluster has put a pod in the place of the one that has the run, and that was refused it."""
        code = None if pod.ended is None else pod.ended.code
        return self._spec.command is None and state.pod not in ("", pod.name) and code == EXIT_UNWANTED

    async def _wait_for_first(self, run: RemoteRun, pod: PodState, pods: list[Object], state: RunState) -> None:
        """Let the first pod of a run go on as long as it lives, whatever the cluster says."""
        silent = self._held.seconds_since(state.heart_ms or 0)
        is_there = any(pod_state(found).name == state.pod for found in pods)
        if not is_there or silent > self._spec.heart_seconds:
            await self._run_again(run, f"the cluster took pod {state.pod} away and put {pod.name} in its place.")

    async def _run_again(self, run: RemoteRun, words: str) -> NoReturn:
        """Have the attempt go on in another pod, unless that was done too often."""
        if run.disruptions >= _MOST_DISRUPTIONS:
            raise PodError(words)
        await self._held.tell(f"{words} It runs again, at no cost.")
        await self._held.note(structs.replace(run, phase="over", disruptions=run.disruptions + 1), fresh=True)
        raise Delay(_AFTER_DISRUPTION)

    def _result_of(self, pod: PodState | None) -> msgspec.Raw:
        """Return what a program wrote to its result file, which the cluster keeps as the end's message."""
        if self._spec.command is None:
            raise PodError("the pod ended well but left no result: perhaps Redis has lost it")
        if pod is None or pod.ended is None:
            raise PodError("the program ended well, but its pod is gone, and its result with it")
        text = pod.ended.message.strip()
        if not text:
            return msgspec.Raw(b"null")
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unrecoverable(f"the program's result is no JSON ({error}): {text:.200}") from error
        return msgspec.Raw(text.encode())

    async def _read_log(self, run: RemoteRun, pod: PodState) -> str:
        """Return the last lines of a pod's log; those of a program go to the job."""
        if self._spec.command is None:
            return await self._site.log_of(run, pod, _QUOTED_LINES)
        log = await self._site.log_of(run, pod, _LOG_LINES)
        await self._keep_log(log)
        return log

    async def _keep_log(self, log: str) -> None:
        for line in log.splitlines()[-_LOG_LINES:]:
            await self._held.tell(line[:_LOG_WIDTH], always=True)

    async def _stop(self, run: RemoteRun) -> None:
        """Delete the run's Job if that can be done soon; what is left is seen by the reconciler."""
        try:
            async with asyncio.timeout(_DELETE_PATIENCE):
                # Refused where another worker has the job by now, and follows the pod.
                await self._held.check(run)
                await self._site.delete(run)
        except (ClusterError, BackendError, JobError, TimeoutError) as error:
            _log.warning("Job %s/%s is not deleted yet: %r", run.namespace, run.name, error)


def _check_wanted(run: RemoteRun, state: RunState) -> None:
    """Follow a run no more whose job has ended without this worker, which has lost it: nobody asks for the outcome."""
    if not state.exists or state.ended or (state.run is not None and state.run.number > run.number):
        raise PodError("another worker has taken the job over, and it has ended or goes on in another pod")


def _newest(pods: list[Object]) -> Object | None:
    name = next((pod.name for pod in newest_first(pods)), None)
    return next((pod for pod in pods if pod_state(pod).name == name), None)
