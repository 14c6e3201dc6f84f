import { CircleCheck, OctagonAlert, TriangleAlert } from "lucide";
import { useState } from "preact/hooks";
import { useOverviewOrError } from "../../api/live";
import type { Attention, Overview } from "../../api/types";
import { Button } from "../../components/button";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Icon } from "../../components/icon";
import { Card, Figure, Page } from "../../components/page";
import { formatBytes, formatDuration, formatNumber, formatRate, formatShort, plural } from "../../format";
import { to } from "../../router";
import { useSteadyOrder } from "../../steady";
import { attentionHref } from "../attention_link";
import { QueueTable } from "../queues/queue_table";
import { byUrgency } from "../queues/sorting";
import "./overview.css";

const QUEUES_SHOWN = 15;
const ATTENTION_SHOWN = 8;

export function OverviewScreen() {
  const { overview, error, retry } = useOverviewOrError();
  return (
    <Page title="Overview">
      {overview && <Content overview={overview} />}
      {!overview && (error ? <ErrorBox error={error} retry={retry} /> : <Loading rows={8} />)}
    </Page>
  );
}

function Content({ overview }: { overview: Overview }) {
  const queues = useSteadyOrder(Object.values(overview.queues), ({ name }) => name, byUrgency, "");
  return (
    <>
      <Figures overview={overview} />
      <NeedsAttention entries={overview.attention} />
      <Card
        flush
        title="Queues"
        actions={queues.length > QUEUES_SHOWN && <a href={to.queues()}>All {plural(queues.length, "queue")}</a>}
      >
        {queues.length === 0 ? <NoQueues /> : <QueueTable queues={queues.slice(0, QUEUES_SHOWN)} />}
      </Card>
    </>
  );
}

function NoQueues() {
  return (
    <Empty title="There are no queues under this prefix">
      A queue appears with its first job. Is the prefix right? <code>oxmq web --prefix …</code> chooses another.
    </Empty>
  );
}

function Figures({ overview: { totals, server } }: { overview: Overview }) {
  const share = server.max_memory ? server.memory / server.max_memory : 0;
  return (
    <dl class="figures">
      <Figure label="Added" note="jobs a second">
        {formatRate(totals.added_per_second)}
      </Figure>
      <Figure label="Finished" note="jobs a second">
        {formatRate(totals.finished_per_second)}
      </Figure>
      <Figure
        label="Failed"
        note="jobs a minute"
        href={to.failures()}
        tone={totals.failed_per_minute > 0 ? "danger" : undefined}
      >
        {formatRate(totals.failed_per_minute)}
      </Figure>
      <Figure label="Unfinished" note="jobs in all queues" href={to.queues()}>
        <span title={formatNumber(totals.unfinished)}>{formatShort(totals.unfinished)}</span>
      </Figure>
      <Figure label="Oldest due job" note="has waited so long">
        {formatDuration(totals.oldest_waiting)}
      </Figure>
      <Figure label="Busy" note={`slots of ${plural(totals.workers, "worker")}`} href={to.workers()}>
        {formatNumber(totals.busy)}
        <span class="faint"> / {formatNumber(totals.slots)}</span>
      </Figure>
      <Figure
        label="Redis memory"
        note={`${formatDuration(server.latency)} latency`}
        href={to.redis()}
        tone={share > 0.9 ? "danger" : share > 0.75 ? "warning" : undefined}
      >
        {formatBytes(server.memory)}
      </Figure>
    </dl>
  );
}

function NeedsAttention({ entries }: { entries: readonly Attention[] }) {
  const [all, setAll] = useState(false);
  if (entries.length === 0) {
    return (
      <p class="all-well">
        <Icon icon={CircleCheck} />
        Nothing needs attention.
      </p>
    );
  }
  const rest = entries.length - ATTENTION_SHOWN;
  return (
    <Card flush title="Needs attention">
      <ul class="attention">
        {entries.slice(0, all ? undefined : ATTENTION_SHOWN).map((entry) => (
          <li key={`${entry.kind} ${entry.queue} ${entry.link.job_id}`}>
            <a class={entry.level} href={attentionHref(entry)}>
              <Icon
                icon={entry.level === "critical" ? OctagonAlert : TriangleAlert}
                label={entry.level === "critical" ? "Critical" : "Warning"}
              />
              <span class="grow">{entry.text}</span>
              {entry.queue && <span class="pill attention-queue">{entry.queue}</span>}
            </a>
          </li>
        ))}
        {rest > 0 && !all && (
          <li class="attention-rest">
            <Button kind="quiet" small onClick={() => setAll(true)}>
              Show {formatNumber(rest)} more
            </Button>
          </li>
        )}
      </ul>
    </Card>
  );
}
