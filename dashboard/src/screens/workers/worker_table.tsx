import type { Worker } from "../../api/types";
import { Meter } from "../../components/progress";
import { type Column, Table } from "../../components/table";
import { Duration, Elapsed } from "../../components/time";
import { DASH, formatBytes, formatNumber } from "../../format";
import { to } from "../../router";
import { Health } from "./health";

const COLUMNS: readonly Column<Worker>[] = [
  { id: "name", title: "Worker", main: true, cell: (worker) => <span title={worker.id}>{worker.name ?? worker.host ?? worker.address ?? worker.id}</span> },
  { id: "health", title: "Health", cell: ({ health, reason }) => <span title={reason}><Health health={health} /></span> },
  { id: "queue", title: "Queue", cell: ({ queue }) => <a href={to.queue(queue, "workers")}>{queue}</a> },
  { id: "kind", title: "Version", cell: ({ kind, version }) => (kind === "oxmq" ? `oxmq ${version ?? ""}` : "other") },
  { id: "host", title: "Host", cell: ({ host, pid, address }) => [host ?? address, pid].filter((part) => part != null).join(" · ") || DASH },
  { id: "slots", title: "Busy", cell: ({ busy, slots }) => (slots == null ? formatNumber(busy) : <Meter used={busy} all={slots} noun="slots busy" />) },
  { id: "up", title: "Up", align: "end", cell: (worker) => (worker.started_at ? <Elapsed since={worker.started_at} /> : <Duration seconds={worker.connected_for} />) },
  { id: "memory", title: "Memory", align: "end", cell: ({ memory }) => formatBytes(memory), empty: ({ memory }) => memory == null },
  { id: "lag", title: "Loop lag", align: "end", cell: ({ loop_lag }) => <Duration seconds={loop_lag} />, empty: ({ loop_lag }) => loop_lag == null },
  { id: "fetch", title: "Last fetch", align: "end", cell: ({ last_fetch }) => <Duration seconds={last_fetch} />, empty: ({ last_fetch }) => last_fetch == null },
  { id: "done", title: "Done", align: "end", cell: ({ completed, kind }) => (kind === "oxmq" ? formatNumber(completed) : DASH) },
];

export function WorkerTable({ workers, showQueue }: { workers: readonly Worker[]; showQueue: boolean }) {
  const columns = COLUMNS.filter(({ id }) => showQueue || id !== "queue");
  return <Table label="Workers" columns={columns} rows={workers} rowKey={({ id, queue }) => `${queue} ${id}`} keyboard />;
}
