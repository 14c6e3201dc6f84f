import { LayoutGrid, ServerOff, Table2 } from "lucide";

import { useLiveWorkers } from "../../api/live";
import type { Worker, WorkerHealth } from "../../api/types";
import { Choices } from "../../components/choices";
import { Empty, Loading } from "../../components/feedback";
import { Card, Figure, Page } from "../../components/page";
import { QueueFilter } from "../../components/queue_filter";
import { formatBytes, formatNumber } from "../../format";
import { query, setQuery } from "../../router";
import { useSteadyOrder } from "../../steady";
import "./workers.css";
import { HEALTHS } from "./health";
import { WorkerCard } from "./worker_card";
import { WorkerTable } from "./worker_table";

const VIEWS = [
  { value: "cards", label: "Cards", icon: LayoutGrid },
  { value: "table", label: "Table", icon: Table2 },
] as const;

/** With `queue` it is a tab of that queue's screen: content only. Without, a screen of its own (in a Page). */
export default function WorkersScreen({ queue }: { queue?: string }) {
  if (queue !== undefined) return <Workers queue={queue} single />;
  const chosen = query("queue").value ?? "";
  return (
    <Page title="Workers" actions={<QueueFilter all="All queues" value={chosen} onChange={(name) => setQuery({ queue: name })} />}>
      <Workers queue={chosen} />
    </Page>
  );
}

function Workers({ queue, single }: { queue: string; single?: boolean }) {
  const live = useLiveWorkers().value;
  const workers = Object.values(live?.workers ?? {}).filter((worker) => !queue || worker.queue === queue);
  const health = query("health").value as WorkerHealth | null;
  const shown = useSteadyOrder(
    workers.filter((worker) => !health || worker.health === health),
    ({ id, queue: name }) => `${name} ${id}`,
    inOrder,
    `${queue} ${health}`,
  );
  if (!live) return <Loading rows={6} />;
  if (workers.length === 0) {
    return (
      <Card>
        <Empty icon={ServerOff} title="No worker is connected">
          Start one with <code>oxmq worker your_module:app</code>. Workers of BullMQ on Node.js appear here as well.
        </Empty>
      </Card>
    );
  }
  const view = query("view").value === "table" ? "table" : "cards";
  return (
    <>
      <Totals workers={workers} />
      <div class="row">
        <HealthFilter workers={workers} chosen={health} />
        <span class="grow" />
        <Choices label="View" options={VIEWS} value={view} onChange={(value) => setQuery({ view: value === "cards" ? null : value })} />
      </div>
      {view === "cards" && (
        <ul class="workers">
          {shown.map((worker) => <WorkerCard key={`${worker.queue} ${worker.id}`} worker={worker} showQueue={!single} />)}
        </ul>
      )}
      {view === "table" && <Card flush><WorkerTable workers={shown} showQueue={!single} /></Card>}
      {shown.length === 0 && <Card><Empty title={`No worker is ${health ? HEALTHS[health]?.word.toLowerCase() : "here"}`} /></Card>}
    </>
  );
}

function Totals({ workers }: { workers: readonly Worker[] }) {
  const busy = sum(workers, ({ busy: count }) => count);
  const slots = sum(workers, (worker) => worker.slots ?? Math.max(1, worker.busy));
  const hosts = new Set(workers.map(({ host, address }) => host ?? address?.split(":")[0])).size;
  // A process that works several queues says the same of itself for each.
  const processes = new Map(workers.map(({ host, pid, id, memory: bytes }) => [pid == null ? id : `${host} ${pid}`, bytes ?? 0]));
  const memory = [...processes.values()].reduce((total, bytes) => total + bytes, 0);
  const stuck = workers.filter(({ health }) => health === "stuck").length;
  return (
    <dl class="figures">
      <Figure label="Workers" note={`on ${formatNumber(hosts)} ${hosts === 1 ? "host" : "hosts"}`}>{formatNumber(workers.length)}</Figure>
      <Figure label="Slots busy" note={`of ${formatNumber(slots)}`}>{formatNumber(busy)}</Figure>
      <Figure label="Stuck" tone={stuck > 0 ? "danger" : undefined}>{formatNumber(stuck)}</Figure>
      <Figure label="Memory" note="of oxmq workers">{memory > 0 ? formatBytes(memory) : "–"}</Figure>
    </dl>
  );
}

function HealthFilter({ workers, chosen }: { workers: readonly Worker[]; chosen: WorkerHealth | null }) {
  const kinds = (Object.keys(HEALTHS) as WorkerHealth[]).filter((kind) => kind === chosen || workers.some(({ health }) => health === kind));
  if (kinds.length < 2 && !chosen) return null;
  const options = kinds.map((kind) => ({
    value: kind as string,
    label: <>{HEALTHS[kind].word} <span class="number">{formatNumber(workers.filter(({ health }) => health === kind).length)}</span></>,
    icon: HEALTHS[kind].icon,
  }));
  return (
    <Choices
      label="Health"
      options={[{ value: "", label: <>All <span class="number">{formatNumber(workers.length)}</span></> }, ...options]}
      value={chosen ?? ""}
      onChange={(value) => setQuery({ health: value })}
    />
  );
}

function inOrder(one: Worker, other: Worker): number {
  const [first, second] = [one, other].map(({ queue, name, host, id }) => `${queue}\n${name ?? host ?? ""}\n${id}`);
  return (first ?? "").localeCompare(second ?? "");
}

function sum(workers: readonly Worker[], of: (worker: Worker) => number): number {
  return workers.reduce((total, worker) => total + of(worker), 0);
}
