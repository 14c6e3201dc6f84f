import { CircleHelp, Copy, FileX, TriangleAlert } from "lucide";

import type { Job } from "../../api/types";
import { copyText } from "../../clipboard";
import { IconButton } from "../../components/button";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Icon } from "../../components/icon";
import { JsonTree } from "../../components/json_tree";
import { Card, Facts, Page } from "../../components/page";
import { Progress } from "../../components/progress";
import { StateBadge } from "../../components/state_badge";
import { Duration, FullTime } from "../../components/time";
import { formatDuration, formatNumber, progressShare } from "../../format";
import { to } from "../../router";
import "./job.css";
import { Actions } from "./actions";
import { Failure } from "./failure";
import { Family } from "./family";
import { isEnded, useLiveJob } from "./live";
import { Logs } from "./logs";
import { Pod } from "./pod";
import { Timeline } from "./timeline";

export default function JobScreen({ queue, id }: { queue: string; id: string }) {
  const { job, error, reload, put, onLines } = useLiveJob(queue, id);
  const crumbs = [
    { label: "Queues", href: to.queues() },
    { label: queue, href: to.jobs(queue, { state: job?.state }) },
  ];
  if (!job || error?.status === 404) {
    return (
      <Page title={`Job ${id}`} crumbs={crumbs}>
        {error?.status === 404 && <Gone queue={queue} id={id} />}
        {error && error.status !== 404 && <ErrorBox error={error} retry={reload} />}
        {!error && <Loading rows={8} />}
      </Page>
    );
  }
  return (
    <Page
      title={`${job.name} ${job.id}`}
      heading={job.name || <span class="faint">(no name)</span>}
      crumbs={crumbs}
      aside={
        <>
          <StateBadge state={job.state} stuck={job.stuck} />
          <span class="job-ref">
            <code>{job.id}</code>
            <IconButton icon={Copy} label="Copy id" onClick={() => void copyText(job.id, "the id")} />
          </span>
        </>
      }
      actions={<Actions job={job} put={put} reload={reload} />}
    >
      {error && <ErrorBox error={error} retry={reload} />}
      <Why job={job} />
      <Card title="Timeline">
        <Timeline job={job} />
      </Card>
      <div class="job-columns">
        <div class="stack">
          <ProgressCard job={job} />
          <Failure job={job} />
          <Card title="Data">
            <JsonTree key={`data ${job.id}`} name="data" value={job.data} size={job.data_size} truncated={job.data_truncated} />
          </Card>
          {(job.state === "completed" || job.result !== null) && (
            <Card title="Result">
              <JsonTree key={`result ${job.id} ${job.finished_at}`} name="result" value={job.result} truncated={job.result_truncated} />
            </Card>
          )}
          <Logs key={job.id} job={job} onLines={onLines} />
        </div>
        <aside class="stack" aria-label="About this job">
          <About job={job} />
          {job.run && <Pod run={job.run} ended={isEnded(job)} reload={reload} />}
          <Family job={job} />
          {Object.keys(job.options).length > 0 && (
            <Card title="Options">
              <JsonTree key={`options ${job.id}`} name="options" value={job.options} />
            </Card>
          )}
        </aside>
      </div>
    </Page>
  );
}

function Gone({ queue, id }: { queue: string; id: string }) {
  return (
    <Card>
      <Empty title="There is no such job" icon={FileX}>
        <p>
          <code>{id}</code> is not in {queue}. It may have been removed, or it ended and its options said not to keep it.
        </p>
        <p><a href={to.queue(queue)}>Jobs of {queue}</a></p>
      </Empty>
    </Card>
  );
}

/** Why the job does not run, or that nobody seems to run it any more. */
function Why({ job }: { job: Job }) {
  if (job.stuck) {
    return (
      <div class="why danger" role="status">
        <Icon icon={TriangleAlert} />
        <p><b>Stuck.</b> {job.why ?? "No worker holds its lock any more. It is started again when a worker looks for stalled jobs."}</p>
      </div>
    );
  }
  if (!job.why || isEnded(job) || job.state === "active") return null;
  return (
    <div class="why" role="status">
      <Icon icon={CircleHelp} />
      <p><b>Why is it not running?</b> {job.why}</p>
    </div>
  );
}

function ProgressCard({ job }: { job: Job }) {
  const { progress } = job;
  if (progress === null || progress === 0 || (Array.isArray(progress) && progress.length === 0)) return null;
  const share = progressShare(progress);
  if (share === null) {
    return (
      <Card title="Progress">
        <JsonTree name="progress" value={progress} />
      </Card>
    );
  }
  return (
    <Card title="Progress" actions={<b class="number">{Math.round(share * 100)}%</b>}>
      <Progress share={share} label="Progress" colour={`var(--state-${job.state})`} />
    </Card>
  );
}

function About({ job }: { job: Job }) {
  const facts = [
    { label: "Queue", value: <a href={to.queue(job.queue)}>{job.queue}</a> },
    { label: "Added", value: <FullTime at={job.added_at} /> },
    job.due_at && job.state === "delayed" && { label: "Due", value: <FullTime at={job.due_at} /> },
    job.started_at && { label: "Started", value: <FullTime at={job.started_at} /> },
    job.finished_at && { label: "Finished", value: <FullTime at={job.finished_at} /> },
    job.wait_time !== null && { label: "Waited", value: <Duration seconds={job.wait_time} /> },
    job.run_time !== null && { label: "Ran", value: <Duration seconds={job.run_time} /> },
    { label: "Attempts", value: attempts(job) },
    job.stalled_count > 0 && { label: "Stalled", value: `${formatNumber(job.stalled_count)} ×` },
    job.worker && { label: "Worker", value: <a href={to.queue(job.queue, "workers")}>{job.worker}</a> },
    job.state === "active" && { label: "Lock", value: lockText(job) },
    job.priority > 0 && { label: "Priority", value: formatNumber(job.priority) },
    job.delay > 0 && { label: "Delay", value: <Duration seconds={job.delay} /> },
    job.scheduler && { label: "Schedule", value: <a href={to.queue(job.queue, "schedules", { id: job.scheduler })}>{job.scheduler}</a> },
    job.deduplication_id && { label: "Deduplication", value: <code>{job.deduplication_id}</code> },
  ];
  return (
    <Card title="About">
      <Facts facts={facts.filter((fact) => Boolean(fact)) as { label: string; value: preact.ComponentChildren }[]} />
    </Card>
  );
}

function attempts({ attempts_made: made, attempts_allowed: allowed, attempts_started: started }: Job): string {
  const text = `${formatNumber(made)} of ${formatNumber(Math.max(made, allowed, 1))}`;
  return started > made ? `${text} (${formatNumber(started)} started)` : text;
}

function lockText({ lock }: Job): string {
  if (!lock?.held) return "Nobody holds it";
  return lock.expires_in === null ? "Held" : `Held for ${formatDuration(lock.expires_in)} more`;
}
