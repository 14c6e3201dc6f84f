import { CircleCheck, Container, OctagonAlert, TriangleAlert } from "lucide";

import { api } from "../../api/client";
import { useResource } from "../../api/resource";
import type { HeavyJobs, ReconcilerReport, RunRepair, WatchedRun } from "../../api/types";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Icon } from "../../components/icon";
import { Card, Facts, Figure, Page } from "../../components/page";
import { type Column, Table } from "../../components/table";
import { Duration, FullTime, Time } from "../../components/time";
import { formatNumber } from "../../format";
import { to } from "../../router";
import "./kubernetes.css";

/** In seconds. A report comes every half minute. */
const REFRESH = 10;

export default function KubernetesScreen() {
  const { data, error, reload } = useResource((signal) => api.get<HeavyJobs>("api/kubernetes", { signal }), [], { every: REFRESH });
  return (
    <Page title="Kubernetes">
      {error && <ErrorBox error={error} retry={reload} />}
      {!data && !error && <Loading rows={8} />}
      {data && !data.report && (
        <Card>
          <Empty icon={Container} title="No heavy job has run in a cluster yet">
            A task with <code>run=Kubernetes(…)</code> runs in a pod; <code>oxmq doctor --kubernetes</code> says what is missing for that.
          </Empty>
        </Card>
      )}
      {data?.report && <Content report={data.report} />}
    </Page>
  );
}

function Content({ report }: { report: ReconcilerReport }) {
  const all = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
  return (
    <>
      <State report={report} />
      <dl class="figures">
        <Figure label="Followed" note="a worker looks after them">{formatNumber((report.counts.follow ?? 0) + (report.counts.adopt ?? 0))}</Figure>
        <Figure label="Missing" note="in the cluster" tone={report.counts.wait ? "warning" : undefined}>{formatNumber(report.counts.wait ?? 0)}</Figure>
        <Figure label="To be deleted" note="orphans and earlier runs" tone={report.counts.delete ? "warning" : undefined}>{formatNumber(report.counts.delete ?? 0)}</Figure>
        <Figure label="Ended" note="the cluster cleans them up">{formatNumber((report.counts.keep ?? 0) + (report.counts.forget ?? 0))}</Figure>
      </dl>
      <Card flush title="Runs" actions={all > report.runs.length && <span class="faint small">{formatNumber(report.runs.length)} of {formatNumber(all)}</span>}>
        {report.runs.length > 0 ? (
          <Table label="Runs" columns={RUNS} rows={report.runs} rowKey={(run) => `${run.namespace}/${run.name}`} keyboard />
        ) : (
          <Empty title="No heavy job is under way" />
        )}
      </Card>
      <Card flush title="Repairs">
        {report.repairs.length > 0 ? (
          <Table label="Repairs" columns={REPAIRS} rows={report.repairs} rowKey={(repair) => `${repair.at} ${repair.namespace}/${repair.name} ${repair.action}`} />
        ) : (
          <Empty title="Nothing had to be mended">Jobs that nobody follows any more are deleted, and told of here.</Empty>
        )}
      </Card>
      <Card title="Reconciler">
        <Facts
          facts={[
            { label: "Leader", value: <code>{report.leader}</code> },
            { label: "Term", value: formatNumber(report.term) },
            { label: "Last look", value: <FullTime at={report.at} /> },
            { label: "Took", value: <Duration seconds={report.took} /> },
            { label: "API server", value: <code>{report.address}</code> },
            { label: "Namespaces", value: <code>{report.namespaces.join(", ")}</code> },
            { label: "Owner label", value: <code>{report.owner}</code> },
          ]}
        />
      </Card>
    </>
  );
}

/** Whether all is well, in a sentence: that alone is read out when it changes. */
function State({ report }: { report: ReconcilerReport }) {
  const silent = report.silent_for !== null;
  const look = silent
    ? { icon: TriangleAlert, tone: "warning" }
    : report.error
      ? { icon: OctagonAlert, tone: "danger" }
      : { icon: CircleCheck, tone: "success" };
  return (
    <div class={`reconciler ${look.tone}`}>
      <Icon icon={look.icon} />
      <div role="status">
        {silent ? (
          <p><b>Nobody reconciles.</b> There has been no report since <FullTime at={report.at} />; what follows is how it was then.</p>
        ) : (
          !report.error && <p><b>{report.leader}</b> looks after the Jobs of this installation.</p>
        )}
        {report.error && <p><b>The cluster cannot be looked at.</b> {report.error}</p>}
      </div>
      <Time at={report.at} />
    </div>
  );
}

const TONES: Record<string, string> = { delete: "danger", wait: "warning", follow: "success" };

const RUNS: readonly Column<WatchedRun>[] = [
  { id: "job", title: "Job", main: true, cell: (run) => <JobLink queue={run.queue} id={run.job_id} name={run.task} /> },
  { id: "run", title: "Run", align: "end", cell: ({ number, attempt }) => <span title={`Run ${number}, of attempt ${attempt}`}>{formatNumber(number)}</span> },
  { id: "queue", title: "Queue says", cell: ({ queue_says: says }) => says, empty: ({ queue_says: says }) => !says },
  { id: "cluster", title: "Cluster says", cell: ({ cluster_says: says }) => says },
  { id: "action", title: "Action", cell: ({ action }) => <span class={`pill ${TONES[action] ?? ""}`}>{action}</span> },
  { id: "why", title: "Why", cell: (run) => <Why {...run} /> },
  { id: "since", title: "Since", align: "end", cell: ({ since }) => <Time at={since} /> },
];

const REPAIRS: readonly Column<RunRepair>[] = [
  { id: "job", title: "Job", main: true, cell: (repair) => <JobLink queue={repair.queue} id={repair.job_id} /> },
  { id: "action", title: "Action", cell: ({ action }) => <span class="pill">{action}</span> },
  { id: "why", title: "Why", cell: (run) => <Why {...run} /> },
  { id: "result", title: "Result", cell: ({ result }) => <span class={result === "done" ? "" : "danger-text"}>{result}</span> },
  { id: "at", title: "When", align: "end", cell: ({ at }) => <Time at={at} /> },
];

function Why({ why, namespace, name }: Pick<WatchedRun, "why" | "namespace" | "name">) {
  return (
    <span class="two-lines">
      <span>{why}</span>
      <code class="faint small">{namespace}/{name}</code>
    </span>
  );
}

function JobLink({ queue, id, name }: { queue: string; id: string; name?: string }) {
  return (
    <span class="two-lines">
      <a href={to.job(queue, id)}>{name || id}</a>
      <span class="faint small">{queue}{name && <> · <code>{id}</code></>}</span>
    </span>
  );
}
