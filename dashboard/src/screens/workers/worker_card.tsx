import type { Worker } from "../../api/types";
import { Meter } from "../../components/progress";
import { Duration } from "../../components/time";
import { now } from "../../clock";
import { formatBytes, formatDuration, formatNumber, parseInstant, plural } from "../../format";
import { to } from "../../router";
import { Health } from "./health";

const LATE_LOOP = 0.2;
const JOBS_SHOWN = 4;

export function WorkerCard({ worker, showQueue }: { worker: Worker; showQueue: boolean }) {
  const title = worker.name ?? worker.host ?? worker.address ?? worker.id;
  return (
    <li class={`worker card ${worker.health}`}>
      <header class="worker-head">
        <h2 class="clip" title={worker.id}>{title}</h2>
        <Health health={worker.health} />
      </header>
      {worker.reason && <p class={worker.health === "stuck" ? "danger-text small" : "warning-text small"}>{worker.reason}</p>}
      <div class="row">
        <span class="pill">{worker.kind === "oxmq" ? `oxmq ${worker.version ?? ""}`.trim() : "BullMQ or other"}</span>
        {showQueue && <a class="pill" href={to.queue(worker.queue, "workers")}>{worker.queue}</a>}
        {worker.slots != null && <span class="worker-slots"><Meter used={worker.busy} all={worker.slots} noun="slots busy" /></span>}
      </div>
      <dl class="worker-facts small">
        <Fact label="Host" value={host(worker)} />
        <Fact label="Up" value={upTime(worker)} />
        <Fact label="Memory" value={worker.memory == null ? null : formatBytes(worker.memory)} />
        <Fact label="Loop lag" value={worker.loop_lag == null ? null : formatDuration(worker.loop_lag)} late={(worker.loop_lag ?? 0) > LATE_LOOP} />
        <Fact label="Last fetch" value={worker.last_fetch == null ? null : `${formatDuration(worker.last_fetch)} ago`} late={worker.health === "stuck"} />
        {worker.kind === "oxmq" && <Fact label="Done" value={`${formatNumber(worker.completed)}${worker.failed ? `, ${formatNumber(worker.failed)} failed` : ""}`} />}
      </dl>
      <Jobs worker={worker} />
    </li>
  );
}

function Fact({ label, value, late }: { label: string; value: string | null; late?: boolean }) {
  if (value === null) return null;
  return (
    <div>
      <dt>{label}</dt>
      <dd class={`number ${late ? "warning-text" : ""}`}>{value}</dd>
    </div>
  );
}

function host({ host: name, pid, address }: Worker): string | null {
  if (!name) return address ?? null;
  return pid == null ? name : `${name} · ${pid}`;
}

function upTime({ started_at: started, connected_for: connected }: Worker): string | null {
  const start = parseInstant(started);
  if (start !== null) return formatDuration(Math.max(0, Math.floor((now.value - start) / 1000)));
  return connected == null ? null : formatDuration(Math.floor(connected));
}

function Jobs({ worker }: { worker: Worker }) {
  if (worker.jobs.length === 0) return <p class="worker-idle small">{worker.busy > 0 ? plural(worker.busy, "job") : "No job at the moment"}</p>;
  const rest = Math.max(worker.busy, worker.jobs.length) - JOBS_SHOWN;
  return (
    <ul class="worker-jobs" aria-label="Jobs it runs">
      {worker.jobs.slice(0, JOBS_SHOWN).map((job) => (
        <li key={job.id}>
          <a class="clip" href={to.job(worker.queue, job.id)}>{job.name || job.id}</a>
          <code class="faint clip">{job.id}</code>
          <span class="quiet small"><Duration seconds={Math.floor(job.running_for)} /></span>
        </li>
      ))}
      {rest > 0 && <li class="faint small"><a href={to.jobs(worker.queue, { state: "active" })}>and {formatNumber(rest)} more</a></li>}
    </ul>
  );
}
