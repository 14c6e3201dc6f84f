"""Follow one heavy job from the moment it is taken until its outcome is known.

The order of what is written decides what a crash may do. The run is noted on the queue's job before the pod is asked
for, and once more after; what the pod leaves lies on the job before the pod ends. A worker that takes the job over
finds the run, looks for its pod by name, and goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, Final, NoReturn

import msgspec
from msgspec import Struct, structs

from oxmq.client.context import QueueContext
from oxmq.client.job import Job
from oxmq.errors import BackendError, Delay, JobTimeoutError, OxmqError, Unrecoverable
from oxmq.executors.child_task import Reference, Reply, raise_failure
from oxmq.kubernetes.cluster import (
    AlreadyExistsError,
    Cluster,
    ClusterError,
    ClusterUnavailableError,
    ConflictError,
    NotFoundError,
    Object,
    QuotaError,
)
from oxmq.kubernetes.job_state import job_state
from oxmq.kubernetes.manifest import Work, build_job
from oxmq.kubernetes.naming import Identity, identify
from oxmq.kubernetes.outcome import Verdict, missing_words, silent_words, start_verdict, verdict
from oxmq.kubernetes.pod_state import CONTAINER, PodState, cannot_start, newest_first, pod_state
from oxmq.kubernetes.settings import HeavySettings
from oxmq.kubernetes.spec import Kubernetes
from oxmq.kubernetes.starting import pending_words
from oxmq.kubernetes.times import span
from oxmq.kubernetes.watching import Followed, JobWatch, PodLook
from oxmq.ops import remote_runs
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
#: How long to wait before the cluster is asked again for a pod, at first and at most, in seconds.
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 30.0
#: How much of a program's log goes to its job: lines, and characters a line.
_LOG_LINES, _LOG_WIDTH = 200, 4_096
#: How many last lines a failure quotes.
_QUOTED_LINES: Final = 20
#: How many disruptions of one attempt are made up for; after so many it has failed.
_MOST_DISRUPTIONS: Final = 10


class PodError(OxmqError):
    """Say that the pod of a job failed, and why; or that the task raised an error in it."""


class Site(Struct, frozen=True):
    """Hold where runs take place: the cluster, what watches it, and whose Jobs they are."""

    cluster: Cluster
    watch: JobWatch
    pods: PodLook
    settings: HeavySettings
    namespace: str
    owner: str


class Follower:
    """Follow one job. Made for each run of a job by a worker.

    Args:
        site: where.
        context: the queue's.
        job: the job, locked by this worker.
        spec: what its task says of its pod.
        reference: where the pod finds the task.
        let_go: set when the worker closes: then the job goes back to the queue and its pod goes on.
    """

    def __init__(
        self,
        site: Site,
        context: QueueContext,
        job: Job[Any],
        spec: Kubernetes,
        reference: Reference,
        let_go: asyncio.Event,
    ) -> None:
        self._site = site
        self._context = context
        self._job = job
        self._spec = spec
        self._reference = reference
        self._let_go = let_go
        self._hopeless_since: float | None = None
        self._looked_at = 0.0
        self._running: PodState | None = None
        self._noted: RemoteRun | None = None
        self._told = ""

    async def run(self) -> msgspec.Raw:
        """Spawn or find the job's pod, follow it, and return its result as JSON.

        Raises:
            PodError, JobTimeoutError: the attempt has failed.
            Unrecoverable: the job has failed.
            Delay: it is to be taken again, at no cost: the worker closes, or a disruption ended the pod.
            WaitForChildren, RateLimited: the task raised them.
        """
        state = await self._state()
        identity = self._identify(state)
        followed = self._site.watch.follow(identity.name)
        try:
            run = await self._begin(state, identity, followed)
            return await self._follow(run, followed)
        except asyncio.CancelledError:
            if self._noted is not None and not self._handed_back:
                await self._stop(self._noted)
            raise
        finally:
            self._site.watch.leave(followed)

    # ---- beginning -----------------------------------------------------------------------------------------------

    def _identify(self, state: RunState) -> Identity:
        found = state.current
        number = found.number if found is not None else (state.run.number if state.run else 0) + 1
        return Identity(
            owner=self._site.owner,
            prefix=self._context.keys.prefix,
            queue=self._context.keys.name,
            job_id=self._job.id,
            timestamp=state.timestamp,
            number=number,
            attempt=state.attempts_made + 1,
            task=self._job.name,
        )

    async def _begin(self, state: RunState, identity: Identity, followed: Followed) -> RemoteRun:
        """Return the run, once its pod has been asked for."""
        run = self._noted = state.current
        if run is None:
            before = state.run
            run = RemoteRun(
                number=identity.number,
                attempt=identity.attempt,
                namespace=self._site.namespace,
                name=identity.name,
                phase="spawning",
                at_ms=self._context.clock.now_ms(),
                disruptions=before.disruptions if before is not None and before.attempt == identity.attempt else 0,
            )
            await self._note(run, fresh=True)
        elif state.result is not None:
            return run
        if run.phase == "spawned":
            await self._find(run, followed)
            return run
        created = await self._spawn(run, identity)
        self._site.watch.found(followed, created)
        spawned = structs.replace(run, phase="spawned", uid=_uid(created))
        await self._note(spawned)
        await self._tell(f"Kubernetes Job {run.namespace}/{run.name} was created")
        return spawned

    async def _find(self, run: RemoteRun, followed: Followed) -> None:
        """Look for the Job of a run that another worker has begun."""
        while True:
            try:
                job = await self._site.cluster.get_job(run.namespace, run.name)
            except NotFoundError:
                followed.tell(None)
                return
            except ClusterUnavailableError as error:
                await self._rest(error.retry_after or _FIRST_PAUSE)
                continue
            if _uid(job) == run.uid:
                self._site.watch.found(followed, job)
            else:
                followed.tell(None)  # somebody made another one of that name: ours is gone
            return

    async def _spawn(self, run: RemoteRun, identity: Identity) -> Object:
        """Create the run's Job, or adopt the one that is there; wait where waiting helps."""
        work = Work(identity=identity, reference=self._reference, data=self._job.record.data)
        manifest = build_job(self._spec, self._site.settings, work)
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._site.cluster.create_job(run.namespace, manifest)
            except AlreadyExistsError:
                adopted = await self._adopt(run, identity)
                if adopted is not None:
                    return adopted
                asked, why = None, "its Job vanished while it was looked at"
            except (QuotaError, ClusterUnavailableError) as error:
                asked, why = getattr(error, "retry_after", None), str(error)
            except ClusterError as error:
                raise Unrecoverable(f"the cluster refuses the Job of this job: {error}") from error
            self._check_patience(run, why)
            await self._tell(f"the cluster does not take the Job yet: {why}")
            await self._rest(asked or random.uniform(pause / 2, pause))
            pause = min(2 * pause, _LAST_PAUSE)

    async def _adopt(self, run: RemoteRun, identity: Identity) -> Object | None:
        try:
            job = await self._site.cluster.get_job(run.namespace, run.name)
        except (NotFoundError, ClusterUnavailableError):
            return None
        if identify(job) != identity:
            raise Unrecoverable(f"there is a Job {run.namespace}/{run.name} that is not of this job")
        return job

    def _check_patience(self, run: RemoteRun, why: str) -> None:
        waited = self._seconds_since(run.at_ms)
        if waited > self._spec.pending_seconds:
            raise PodError(f"the cluster did not take the Job in {waited:.0f} s: {why}")

    # ---- following -----------------------------------------------------------------------------------------------

    async def _follow(self, run: RemoteRun, followed: Followed) -> msgspec.Raw:
        while True:
            missing, job = followed.missing, followed.job
            # Read after the cluster was: what the pod left, it left before it ended.
            state = await self._state()
            if state.result is not None:
                return await self._conclude(run, state.result)
            if missing:
                raise PodError(missing_words(run.name, await self._pods(run), await self._events(run)))
            if job is not None and job_state(job).phase in ("complete", "failed"):
                return await self._judge(run, job)
            await self._watch_over(run, state)
            await self._rest(_PENDING_TICK if self._running is None else _RUNNING_TICK, followed)

    async def _watch_over(self, run: RemoteRun, state: RunState) -> None:
        """Look at the pod of a Job that has not ended, and stop what takes too long."""
        if self._running is None:
            await self._look_at_pod(run)
        if self._running is not None:
            await self._check_time(run, state, self._running)

    async def _look_at_pod(self, run: RemoteRun) -> None:
        pod = _newest(await self._pods(run))
        state = pod_state(pod)
        if state.running_since is not None:
            self._running = state
            await self._tell(f"pod {state.name} runs on node {state.node}")
        elif state.has_started:
            return  # the Job is about to say how it ended
        elif self._seconds_since(run.at_ms) > self._spec.pending_seconds:
            events = await self._events(run, state.name)
            await self._fail(run, Verdict("failed", pending_words(pod, events, self._spec.pending_seconds)))
        elif pod is not None:
            await self._check_start(run, pod, state)

    async def _check_start(self, run: RemoteRun, pod: Object, state: PodState) -> None:
        """Give up a pod that has been unable to start for a while, and will be."""
        events = await self._events(run, state.name) if cannot_start(pod) else []
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
        began_ms = int(since.timestamp() * 1000)
        if limit is not None and self._seconds_since(began_ms) > limit:
            await self._stop(run)
            raise JobTimeoutError(f"the pod ran longer than its timeout of {span(limit)} and was stopped")
        silent = self._seconds_since(max(state.heart_ms or 0, began_ms))
        if self._spec.command is not None:
            await self._check_node(run, pod)
        elif silent > self._spec.heart_seconds:
            # Its node may be cut off from the cluster, which then still says that the pod runs.
            words = silent_words(await self._pods(run), await self._events(run, pod.name), silent)
            await self._fail(run, Verdict("lost", words))

    async def _check_node(self, run: RemoteRun, pod: PodState) -> None:
        """Give up a program whose node has fallen silent, or which the cluster has replaced by another of its kind."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < _NODE_TICK:
            return
        self._looked_at = now
        pods = await self._pods(run)
        newest = pod_state(_newest(pods))
        since = newest.silent_since
        silent = 0.0 if since is None else self._seconds_since(int(since.timestamp() * 1000))
        if pods and newest.name != pod.name:
            await self._fail(run, Verdict("lost", f"the cluster has put pod {newest.name} in the place of {pod.name}"))
        if silent > self._spec.heart_seconds:
            await self._fail(run, Verdict("lost", silent_words(pods, await self._events(run, pod.name), silent)))

    async def _fail(self, run: RemoteRun, found: Verdict) -> NoReturn:
        await self._stop(run)
        raise PodError(found.words) if found.retriable else Unrecoverable(found.words)

    # ---- ending --------------------------------------------------------------------------------------------------

    async def _conclude(self, run: RemoteRun, left: Left) -> msgspec.Raw:
        if left.result is None:
            if left.signal and left.signal != "Unrecoverable":
                # The attempt goes on, in another pod.
                await self._note(structs.replace(run, phase="over"), fresh=True)
            raise_failure(Reply(None, left.message, left.trace, left.signal, left.seconds))
        return msgspec.Raw(left.result.encode())

    async def _judge(self, run: RemoteRun, job: Object) -> msgspec.Raw:
        """Say what became of a run whose Job has ended and which left nothing."""
        pods = await self._pods(run)
        newest = next(iter(newest_first(pods)), None)
        log = "" if newest is None or not newest.has_started else await self._read_log(run, newest)
        if self._spec.command is not None:
            await self._keep_log(log)
        events = await self._events(run, newest.name if newest is not None else "")
        found = verdict(job, pods, events, log, self._spec) or Verdict("lost", "the Job has not ended after all")
        if found.kind == "succeeded":
            return self._result_of(newest)
        if found.kind == "disrupted" and run.disruptions < _MOST_DISRUPTIONS:
            await self._tell(f"{found.words} It runs again, at no cost.")
            await self._note(structs.replace(run, phase="over", disruptions=run.disruptions + 1), fresh=True)
            raise Delay(_AFTER_DISRUPTION)
        raise PodError(found.words) if found.retriable else Unrecoverable(found.words)

    def _result_of(self, pod: PodState | None) -> msgspec.Raw:
        """Return what a program wrote to its result file, which the cluster keeps as the end's message."""
        if self._spec.command is None:
            raise PodError("the pod ended well but left no result: perhaps Redis has lost it")
        text = "" if pod is None or pod.ended is None else pod.ended.message.strip()
        if not text:
            return msgspec.Raw(b"null")
        try:
            msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unrecoverable(f"the program's result is no JSON ({error}): {text:.200}") from error
        return msgspec.Raw(text.encode())

    async def _pods(self, run: RemoteRun) -> list[Object]:
        try:
            return await self._site.pods.pods_of(run.name)
        except ClusterError as error:
            _log.warning("the pods of Job %s/%s cannot be looked at: %s", run.namespace, run.name, error)
            return []

    async def _read_log(self, run: RemoteRun, pod: PodState) -> str:
        lines = _QUOTED_LINES if self._spec.command is None else _LOG_LINES
        try:
            return await self._site.cluster.read_log(run.namespace, pod.name, lines, CONTAINER)
        except ClusterError as error:
            _log.warning("the log of pod %s/%s cannot be read: %s", run.namespace, pod.name, error)
            return ""

    async def _events(self, run: RemoteRun, pod: str = "") -> list[Object]:
        found: list[Object] = []
        for name in filter(None, (run.name, pod)):
            try:
                found += await self._site.cluster.list_events(run.namespace, name)
            except ClusterError as error:
                _log.warning("the events of %s/%s cannot be read: %s", run.namespace, name, error)
        return found

    async def _keep_log(self, log: str) -> None:
        for line in log.splitlines()[-_LOG_LINES:]:
            await self._tell(line[:_LOG_WIDTH], always=True)

    async def _stop(self, run: RemoteRun) -> None:
        """Delete the run's Job if that can be done soon; what is left is seen by the reconciler."""
        try:
            async with asyncio.timeout(_DELETE_PATIENCE):
                uid = run.uid or _uid(await self._site.cluster.get_job(run.namespace, run.name))
                await self._site.cluster.delete_job(run.namespace, run.name, uid)
        except (NotFoundError, ConflictError):
            return
        except (ClusterError, TimeoutError) as error:
            _log.warning("Job %s/%s is not deleted yet: %s", run.namespace, run.name, error)

    # ---- the queue's job -----------------------------------------------------------------------------------------

    @property
    def _handed_back(self) -> bool:
        return self._job.run is not None and self._job.run.handed_back

    async def _state(self) -> RunState:
        return await self._context.runner.run(remote_runs.get_run_state(self._context.keys, self._job.id))

    async def _note(self, run: RemoteRun, *, fresh: bool = False) -> None:
        self._noted = run
        call = remote_runs.note_run(self._context.keys, self._job.id, self._job.token, run, fresh=fresh)
        await self._context.runner.run(call)

    async def _tell(self, line: str, *, always: bool = False) -> None:
        """Write a line to the job's log, unless the last one said the same."""
        if line == self._told and not always:
            return
        self._told = line
        try:
            await self._job.log(line.encode(errors="backslashreplace").decode())
        except (BackendError, OxmqError) as error:
            _log.warning("job %s: a line of its log is lost: %s", self._job.id, error)

    def _seconds_since(self, ms: int) -> float:
        return (self._context.clock.now_ms() - ms) / 1000

    async def _rest(self, seconds: float, followed: Followed | None = None) -> None:
        """Wait for news, at most so long.

        Raises:
            Delay: the worker closes.
        """
        if not self._let_go.is_set():
            news = asyncio.ensure_future(asyncio.sleep(seconds) if followed is None else followed.wait(seconds))
            closing = asyncio.ensure_future(self._let_go.wait())
            try:
                await asyncio.wait((news, closing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                closing.cancel()
        if self._let_go.is_set():
            raise Delay(0)


def _newest(pods: list[Object]) -> Object | None:
    name = next((pod.name for pod in newest_first(pods)), None)
    return next((pod for pod in pods if pod_state(pod).name == name), None)


def _uid(job: Object) -> str:
    return str(job.get("metadata", {}).get("uid", ""))
