import { CircleCheck, OctagonAlert, TriangleAlert } from "lucide";

import { api } from "../../api/client";
import { useResource } from "../../api/resource";
import type { Finding, QueueMemory, Server, ServerMemory } from "../../api/types";
import { copyText } from "../../clipboard";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Icon } from "../../components/icon";
import { Card, Facts, Figure, Page } from "../../components/page";
import { type Column, Table } from "../../components/table";
import { formatBytes, formatDuration, formatNumber, formatPercent } from "../../format";
import { to } from "../../router";
import "./redis.css";
import { SlowLog } from "./slow_log";

const REFRESH = 15;

export default function RedisScreen() {
  const { data, error, reload } = useResource((signal) => api.get<Server>("api/server", { signal }), [], { every: REFRESH });
  return (
    <Page title="Redis" aside={data && <span class="pill">{data.name} {data.version}</span>}>
      {error && <ErrorBox error={error} retry={reload} />}
      {!data && !error && <Loading rows={8} />}
      {data && <Content server={data} />}
    </Page>
  );
}

function Content({ server }: { server: Server }) {
  const { memory, latency } = server;
  return (
    <>
      <dl class="figures">
        <Figure label="Memory" note={limitText(memory)} tone={(memory?.share ?? 0) > 0.9 ? "danger" : (memory?.share ?? 0) > 0.75 ? "warning" : undefined}>
          {formatBytes(memory?.used)}
        </Figure>
        <Figure label="Latency" note={`worst of ${formatNumber(latency.samples)}: ${formatDuration(latency.worst)}`}>{formatDuration(latency.median)}</Figure>
        <Figure label="Connections">{formatNumber(Object.values(server.clients).reduce((sum, count) => sum + count, 0))}</Figure>
        <Figure label="Up for">{formatDuration(server.uptime)}</Figure>
      </dl>
      <Findings findings={server.findings} />
      <div class="redis-columns">
        <div class="stack">
          <Card flush title="Memory by queue">
            {server.queues.length > 0 ? <Queues queues={server.queues} /> : <Empty title="There is no queue yet" />}
          </Card>
          <SlowLog entries={server.slowlog} />
        </div>
        <div class="stack">
          <Card title="Server">
            <Facts
              facts={[
                { label: "Server", value: `${server.name} ${server.version}` },
                { label: "Address", value: <code>{server.address}</code> },
                { label: "Persistence", value: capital(server.persistence) },
                { label: "Eviction", value: server.eviction },
              ]}
            />
          </Card>
          {memory && (
            <Card title="Memory">
              <Facts
                facts={[
                  { label: "Used", value: formatBytes(memory.used) },
                  { label: "Limit", value: memory.limit == null ? "none set" : formatBytes(memory.limit) },
                  { label: "Peak", value: formatBytes(memory.peak) },
                  { label: "Resident", value: formatBytes(memory.resident) },
                  { label: "Fragmentation", value: memory.fragmentation == null ? "–" : memory.fragmentation.toFixed(2) },
                ]}
              />
            </Card>
          )}
          <Card title="Connections by role">
            <Roles clients={server.clients} />
          </Card>
        </div>
      </div>
    </>
  );
}

function limitText(memory: ServerMemory | null): string {
  if (!memory) return "not known";
  return memory.limit == null ? "no limit set" : `of ${formatBytes(memory.limit)} (${formatPercent(memory.used, memory.limit)})`;
}

const LOOKS = {
  error: { icon: OctagonAlert, tone: "danger", word: "Problem" },
  critical: { icon: OctagonAlert, tone: "danger", word: "Problem" },
  warning: { icon: TriangleAlert, tone: "warning", word: "Warning" },
  ok: { icon: CircleCheck, tone: "success", word: "Good" },
} as const;

function lookOf({ level }: Finding) {
  return LOOKS[String(level).toLowerCase() as keyof typeof LOOKS] ?? LOOKS.warning;
}

/** What the doctor found, the worst first; what is well in one line at the end. */
function Findings({ findings }: { findings: readonly Finding[] }) {
  const bad = findings.filter((finding) => lookOf(finding).tone !== "success");
  const good = findings.filter((finding) => lookOf(finding).tone === "success");
  const ordered = [...bad].sort((one, other) => Number(lookOf(other).tone === "danger") - Number(lookOf(one).tone === "danger"));
  return (
    <Card title="Findings">
      <ul class="findings">
        {ordered.map((finding) => <OneFinding key={finding.subject + finding.what} finding={finding} />)}
        {good.length > 0 && (
          <li class="finding success">
            <Icon icon={CircleCheck} label="Good" />
            <div>
              {bad.length === 0 ? <b>All is well: </b> : <b>Good: </b>}
              {good.map(({ subject }) => subject).join(", ")}
              <details>
                <summary class="quiet small">What was looked at</summary>
                <ul class="small quiet">{good.map(({ subject, what }) => <li key={subject + what}><b>{subject}:</b> {what}</li>)}</ul>
              </details>
            </div>
          </li>
        )}
        {findings.length === 0 && <li class="faint">Nothing was examined.</li>}
      </ul>
    </Card>
  );
}

function OneFinding({ finding }: { finding: Finding }) {
  const look = lookOf(finding);
  return (
    <li class={`finding ${look.tone}`}>
      <Icon icon={look.icon} label={look.word} />
      <div>
        <b>{capital(finding.subject)}</b>
        <p>{capital(finding.what)}</p>
        {finding.why && <p class="quiet">{capital(finding.why)}</p>}
        {finding.fix.length > 0 && (
          <ul class="fixes">
            {finding.fix.map((step) => (
              <li key={step}>
                <code>{step}</code>
                <button type="button" class="link-like small" onClick={() => void copyText(step, "the step")}>Copy</button>
              </li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}

function Queues({ queues }: { queues: readonly QueueMemory[] }) {
  const most = Math.max(1, ...queues.map(({ memory_estimate: bytes }) => bytes ?? 0));
  const columns: readonly Column<QueueMemory>[] = [
    { id: "queue", title: "Queue", main: true, cell: ({ name }) => <a href={to.queue(name)}>{name}</a> },
    {
      id: "memory", title: "Memory (estimate)", width: "45%", empty: ({ memory_estimate: bytes }) => bytes == null, cell: ({ memory_estimate: bytes }) => (
        <span class="memory-bar"><span class="memory-track"><span style={{ width: `${((bytes ?? 0) / most) * 100}%` }} /></span><span class="number nowrap">{formatBytes(bytes)}</span></span>
      ),
    },
    { id: "share", title: "Share", align: "end", cell: ({ share }) => (share == null ? "–" : formatPercent(share, 1)) },
    { id: "jobs", title: "Jobs", align: "end", cell: ({ jobs }) => formatNumber(jobs) },
  ];
  return <Table label="Memory by queue" columns={columns} rows={queues} rowKey={({ name }) => name} />;
}

function Roles({ clients }: { clients: Record<string, number> }) {
  const roles = Object.entries(clients).sort(([, one], [, other]) => other - one);
  if (roles.length === 0) return <p class="faint">The server does not let its connections be listed.</p>;
  return <Facts facts={roles.map(([role, count]) => ({ label: capital(worded(role)), value: formatNumber(count) }))} />;
}

function worded(name: string): string {
  return name.replaceAll("_", " ");
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
