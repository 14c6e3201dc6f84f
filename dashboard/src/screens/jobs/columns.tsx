import type { JobRow, JobState } from "../../api/types";
import { Progress } from "../../components/progress";
import { StateBadge } from "../../components/state_badge";
import type { Column } from "../../components/table";
import { Duration, Elapsed, Time } from "../../components/time";
import { formatNumber, progressShare } from "../../format";
import { to } from "../../router";

export type ColumnId =
  | "job"
  | "data"
  | "error"
  | "progress"
  | "worker"
  | "attempts"
  | "priority"
  | "due"
  | "added"
  | "started"
  | "running"
  | "finished"
  | "run_time"
  | "wait_time"
  | "schedule"
  | "state";

type JobColumn = Column<JobRow> & { id: ColumnId };

/** All columns in the order in which they stand. */
export const COLUMNS: readonly JobColumn[] = [
  { id: "job", title: "Job", main: true, cell: (job) => <Name job={job} /> },
  { id: "state", title: "State", cell: ({ state }) => <StateBadge state={state} /> },
  {
    id: "error",
    title: "Error",
    grow: true,
    cell: (job) => <Text text={job.failed_reason} tone="danger-text" />,
    empty: (job) => !job.failed_reason,
  },
  {
    id: "data",
    title: "Data",
    grow: true,
    cell: (job) => <Text text={job.data_preview} tone="mono quiet" />,
    empty: (job) => !job.data_preview,
  },
  {
    id: "progress",
    title: "Progress",
    width: "110px",
    cell: (job) => <ProgressCell job={job} />,
    empty: (job) => !job.progress,
  },
  { id: "worker", title: "Worker", cell: (job) => <Text text={job.worker} />, empty: (job) => !job.worker },
  {
    id: "attempts",
    title: "Attempts",
    align: "end",
    cell: (job) => <Attempts job={job} />,
    empty: (job) => job.attempts_made === 0,
  },
  {
    id: "priority",
    title: "Priority",
    align: "end",
    cell: (job) => formatNumber(job.priority),
    empty: (job) => job.priority === 0,
  },
  { id: "schedule", title: "Schedule", cell: (job) => <Text text={job.scheduler} />, empty: (job) => !job.scheduler },
  { id: "due", title: "Due", align: "end", cell: (job) => <Time at={job.due_at} />, empty: (job) => !job.due_at },
  { id: "added", title: "Added", align: "end", cell: (job) => <Time at={job.added_at} /> },
  {
    id: "started",
    title: "Started",
    align: "end",
    cell: (job) => <Time at={job.started_at} />,
    empty: (job) => !job.started_at,
  },
  {
    id: "running",
    title: "Running for",
    align: "end",
    cell: (job) => <Elapsed since={job.started_at} />,
    empty: (job) => !job.started_at,
  },
  {
    id: "finished",
    title: "Finished",
    align: "end",
    cell: (job) => <Time at={job.finished_at} />,
    empty: (job) => !job.finished_at,
  },
  {
    id: "wait_time",
    title: "Wait",
    align: "end",
    cell: (job) => <Duration seconds={job.wait_time} />,
    empty: (job) => job.wait_time === null,
  },
  {
    id: "run_time",
    title: "Run time",
    align: "end",
    cell: (job) => <Duration seconds={job.run_time} />,
    empty: (job) => job.run_time === null,
  },
];

const DEFAULT: Record<JobState, readonly ColumnId[]> = {
  active: ["data", "progress", "worker", "attempts", "running"],
  waiting: ["data", "attempts", "added"],
  prioritized: ["data", "priority", "attempts", "added"],
  delayed: ["data", "attempts", "added", "due"],
  "waiting-children": ["data", "progress", "added"],
  failed: ["error", "attempts", "run_time", "finished"],
  completed: ["data", "wait_time", "run_time", "finished"],
  unknown: ["data", "state", "added"],
};

export function defaultColumns(state: JobState): readonly ColumnId[] {
  return DEFAULT[state];
}

function Name({ job }: { job: JobRow }) {
  return (
    <span class="job-name">
      <a href={to.job(job.queue, job.id)}>{job.name || "(no name)"}</a>
      <span class="job-id mono" title={job.id}>
        {shortId(job.id)}
      </span>
    </span>
  );
}

/** Long ids are alike at their beginning, or at their end: show both. */
function shortId(id: string): string {
  return id.length > 18 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id;
}

function Text({ text, tone = "" }: { text: string | null; tone?: string }) {
  return text ? (
    <span class={`clip cell-text ${tone}`} title={text}>
      {text}
    </span>
  ) : (
    <span class="faint">–</span>
  );
}

function Attempts({ job }: { job: JobRow }) {
  const last = job.attempts_made >= job.attempts_allowed && job.state !== "completed" && job.attempts_made > 1;
  return (
    <span
      class={`number ${last ? "warning-text" : ""}`}
      title={`${job.attempts_made} made of ${job.attempts_allowed} allowed`}
    >
      {formatNumber(job.attempts_made)}
      <span class="faint">/{formatNumber(job.attempts_allowed)}</span>
    </span>
  );
}

function ProgressCell({ job }: { job: JobRow }) {
  const share = progressShare(job.progress);
  if (share !== null)
    return share === 0 ? <span class="faint">–</span> : <Progress share={share} label={`Progress of ${job.id}`} />;
  return <Text text={job.progress === null ? null : JSON.stringify(job.progress)} tone="mono quiet" />;
}
