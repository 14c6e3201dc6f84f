import { PartyPopper } from "lucide";
import { useEffect, useRef, useState } from "preact/hooks";

import { api, queuePath } from "../../api/client";
import { useOverview } from "../../api/live";
import { type Resource, useResource } from "../../api/resource";
import type { FailureGroup, Failures } from "../../api/types";
import { Choices } from "../../components/choices";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Card, Page } from "../../components/page";
import { QueueFilter } from "../../components/queue_filter";
import { formatNumber, parseInstant, plural } from "../../format";
import { query, setQuery } from "../../router";
import { useSteadyOrder } from "../../steady";
import "./failures.css";
import type { ActionLook } from "../jobs/actions";
import { BulkDialog } from "../jobs/bulk_dialog";
import { FailureRow } from "./failure_row";

const REFRESH = 15;
const QUEUES_AT_MOST = 16;
const ORDERS = [
  { value: "latest", label: "Latest" },
  { value: "count", label: "Most frequent" },
] as const;

type Order = (typeof ORDERS)[number]["value"];

/** A group and the queue that it was found in. */
export interface QueueFailure extends FailureGroup {
  queue: string;
}

/** With `queue` it is a tab of that queue's screen: content only. Without, a screen of its own (in a Page). */
export default function FailuresScreen({ queue }: { queue?: string }) {
  if (queue !== undefined) return <Groups queues={[queue]} scope={queue} single />;
  return <AllFailures />;
}

function AllFailures() {
  const overview = useOverview().value;
  const chosen = query("queue").value ?? "";
  const failing = Object.values(overview?.queues ?? {})
    .filter(({ name, counts }) => (chosen ? name === chosen : (counts.failed ?? 0) > 0))
    .sort((one, other) => (other.counts.failed ?? 0) - (one.counts.failed ?? 0));
  const queues = failing.slice(0, QUEUES_AT_MOST).map(({ name }) => name).sort();
  return (
    <Page
      title="Failures"
      actions={<QueueFilter all="All queues" value={chosen} onChange={(name) => setQuery({ queue: name })} />}
    >
      {overview ? <Groups queues={queues} scope={chosen} left={failing.length - queues.length} /> : <Loading rows={6} />}
    </Page>
  );
}

interface Found {
  groups: QueueFailure[];
  scanned: number;
  total: Record<string, number>;
  complete: boolean;
}

async function load(queues: readonly string[], signal: AbortSignal): Promise<Found> {
  const all = await Promise.all(queues.map((queue) => api.get<Failures>(queuePath(queue, "/failures"), { signal })));
  return {
    groups: all.flatMap(({ groups }, index) => groups.map((group) => ({ ...group, queue: queues[index] ?? "" }))),
    scanned: all.reduce((sum, { scanned }) => sum + scanned, 0),
    total: Object.fromEntries(all.map(({ total }, index) => [queues[index] ?? "", total])),
    complete: all.every(({ complete }) => complete),
  };
}

interface GroupsProps {
  queues: readonly string[];
  /** What was chosen: a queue, or empty for all that have failures. */
  scope: string;
  single?: boolean;
  /** How many queues with failures are not among `queues`. */
  left?: number;
}

interface Bulk {
  look: ActionLook;
  group: QueueFailure;
  total: number;
}

function Groups(props: GroupsProps) {
  const [bulk, setBulk] = useState<Bulk | null>(null);
  const { queues, scope } = props;
  const found = useResource((signal) => load(queues, signal), [scope], { every: REFRESH });
  const names = queues.join();
  const asked = useRef(names);
  useEffect(() => {
    // Queues begin and cease to have failures all the time: what is shown stays until the next answer is there.
    if (asked.current !== names) found.reload();
    asked.current = names;
  }, [names]);
  return (
    <>
      <List {...props} found={found} onAct={(look, group, total) => setBulk({ look, group, total })} />
      {bulk && (
        <BulkDialog
          queue={bulk.group.queue}
          look={bulk.look}
          scope={{ state: "failed", search: `fingerprint:${bulk.group.fingerprint}`, total: bulk.total }}
          onClose={(changed) => {
            setBulk(null);
            if (changed) found.reload();
          }}
        />
      )}
    </>
  );
}

interface ListProps extends GroupsProps {
  found: Resource<Found>;
  onAct: (look: ActionLook, group: QueueFailure, total: number) => void;
}

function List({ scope, single, left = 0, found: { data, error, reload }, onAct }: ListProps) {
  const order = ORDERS.find(({ value }) => value === query("order").value)?.value ?? "latest";
  const groups = useSteadyOrder(data?.groups ?? [], (group) => `${group.queue} ${group.fingerprint}`, COMPARE[order], `${order} ${scope}`);
  if (error && !data) return <ErrorBox error={error} retry={reload} />;
  if (!data) return <Loading rows={6} />;
  if (groups.length === 0) return <Card><Empty icon={PartyPopper} title="Nothing has failed" /></Card>;
  const failed = Object.values(data.total).reduce((sum, total) => sum + total, 0);
  return (
    <>
      {error && <ErrorBox error={error} retry={reload} />}
      <Card
        flush
        title={`${plural(groups.length, "kind")} of failure`}
        actions={<Choices label="Order" options={ORDERS} value={order} onChange={(value: Order) => setQuery({ order: value === "latest" ? null : value })} />}
      >
        <ul class="failures">
          {groups.map((group) => (
            <FailureRow
              key={`${group.queue} ${group.fingerprint}`}
              group={group}
              showQueue={!single}
              onAct={(look) => onAct(look, group, data.total[group.queue] ?? group.count)}
            />
          ))}
        </ul>
        <p class="failures-foot small quiet">
          {data.complete
            ? `All ${plural(failed, "failed job")} were looked at.`
            : `The newest ${formatNumber(data.scanned)} of ${formatNumber(failed)} failed jobs were looked at.`}
          {left > 0 && ` ${plural(left, "more queue")} with failed jobs: choose one above.`}
        </p>
      </Card>
    </>
  );
}

const COMPARE: Record<Order, (one: FailureGroup, other: FailureGroup) => number> = {
  latest: (one, other) => (parseInstant(other.last_at) ?? 0) - (parseInstant(one.last_at) ?? 0),
  count: (one, other) => other.count - one.count,
};
