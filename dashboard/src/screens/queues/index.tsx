import { ChevronRight } from "lucide";
import { useOverviewOrError } from "../../api/live";
import type { JobState, QueueSummary } from "../../api/types";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Select } from "../../components/form";
import { Icon } from "../../components/icon";
import { Card, Page } from "../../components/page";
import { StateCount } from "../../components/state_badge";
import { plural } from "../../format";
import { query, setQuery, to } from "../../router";
import { STATES } from "../../states";
import { useSteadyOrder } from "../../steady";
import { grouped, type QueueGroup } from "./grouping";
import { QueueTable, statesOf } from "./queue_table";
import { COMPARE, type QueueOrder } from "./sorting";

const ORDERS: readonly { value: QueueOrder; label: string }[] = [
  { value: "name", label: "By name" },
  { value: "urgency", label: "Needs a look first" },
  { value: "unfinished", label: "Most unfinished first" },
  { value: "failed", label: "Most failed first" },
  { value: "latency", label: "Longest wait first" },
];

export function QueuesScreen() {
  const { overview, error, retry } = useOverviewOrError();
  const filter = query("filter").value ?? "";
  const order = ORDERS.find(({ value }) => value === query("order").value)?.value ?? "name";
  const all = Object.values(overview?.queues ?? {});
  const wanted = filter.toLowerCase();
  const sorted = useSteadyOrder(all, ({ name }) => name, COMPARE[order], order);
  const shown = sorted.filter(({ name }) => name.toLowerCase().includes(wanted));
  return (
    <Page
      title="Queues"
      aside={overview && <span class="quiet number">{plural(all.length, "queue")}</span>}
      actions={
        <>
          <div class="queue-filter">
            <Filter value={filter} />
          </div>
          <Select
            label="Order"
            value={order}
            options={ORDERS}
            onChange={(value) => setQuery({ order: value === "name" ? null : value }, { replace: true })}
          />
        </>
      }
    >
      {overview && <Groups queues={shown} whole={order === "name"} filtered={filter !== ""} />}
      {!overview && (error ? <ErrorBox error={error} retry={retry} /> : <Loading rows={8} />)}
      {overview && !overview.complete && (
        <p class="quiet small">There may be more queues: the search for them is still under way.</p>
      )}
    </Page>
  );
}

function Filter({ value }: { value: string }) {
  return (
    <input
      data-search
      type="search"
      class="input"
      aria-label="Filter by name"
      placeholder="Filter by name"
      spellcheck={false}
      value={value}
      onInput={(event) => setQuery({ filter: event.currentTarget.value }, { replace: true })}
    />
  );
}

function Groups({ queues, whole, filtered }: { queues: QueueSummary[]; whole: boolean; filtered: boolean }) {
  if (queues.length === 0) {
    return (
      <Card>
        <Empty title={filtered ? "No queue has that in its name" : "There are no queues under this prefix"} />
      </Card>
    );
  }
  const groups = whole ? grouped(queues) : [{ prefix: "", queues }];
  if (groups.length === 1) {
    return (
      <Card flush>
        <QueueTable queues={queues} />
      </Card>
    );
  }
  return (
    <>
      {groups.map((group, index) => (
        <Group key={group.prefix} group={group} states={statesOf(queues)} keyboard={index === 0} />
      ))}
    </>
  );
}

interface GroupProps {
  group: QueueGroup;
  states: readonly JobState[];
  keyboard: boolean;
}

function Group({ group: { prefix, queues }, states, keyboard }: GroupProps) {
  const closed = (query("closed").value ?? "").split(",").filter(Boolean);
  const open = !closed.includes(prefix || "*");
  const toggle = () => {
    const others = closed.filter((name) => name !== (prefix || "*"));
    setQuery({ closed: (open ? [...others, prefix || "*"] : others).join(",") }, { replace: true });
  };
  return (
    <Card
      flush
      title={
        <button type="button" class="group-toggle" aria-expanded={open} onClick={toggle}>
          <Icon icon={ChevronRight} />
          {prefix || "Others"} <span class="quiet number">{queues.length}</span>
        </button>
      }
      actions={<Sums queues={queues} prefix={prefix} />}
    >
      {open && <QueueTable queues={queues} states={states} keyboard={keyboard} />}
    </Card>
  );
}

function Sums({ queues, prefix }: { queues: readonly QueueSummary[]; prefix: string }) {
  return (
    <span class="row">
      {STATES.filter((state) => state !== "completed").map((state) => {
        const count = queues.reduce((sum, { counts }) => sum + (counts[state] ?? 0), 0);
        return count > 0 && <StateCount key={state} state={state} count={count} href={to.queues({ filter: prefix })} />;
      })}
    </span>
  );
}
