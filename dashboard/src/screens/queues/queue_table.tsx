import { Pause } from "lucide";
import type { JobState, QueueSummary } from "../../api/types";
import { Icon } from "../../components/icon";
import { Meter } from "../../components/progress";
import { Sparkline } from "../../components/sparkline";
import { StateCount } from "../../components/state_badge";
import { type Column, Table } from "../../components/table";
import { Duration } from "../../components/time";
import { DASH, formatRate } from "../../format";
import { to } from "../../router";
import { STATES, stateLook } from "../../states";
import "./queues.css";

/** States that most queues never use get a column only where there is a job in them. */
const RARE: readonly JobState[] = ["prioritized", "waiting-children"];

interface Props {
  queues: readonly QueueSummary[];
  /** States that get a column. */
  states?: readonly JobState[];
  keyboard?: boolean;
}

export function QueueTable({ queues, states = statesOf(queues), keyboard = true }: Props) {
  return (
    <div class="queue-table">
      <Table label="Queues" columns={columns(states)} rows={queues} rowKey={({ name }) => name} keyboard={keyboard} />
    </div>
  );
}

/** The states that are worth a column for these queues. */
export function statesOf(queues: readonly QueueSummary[]): readonly JobState[] {
  return STATES.filter((state) => !RARE.includes(state) || queues.some(({ counts }) => (counts[state] ?? 0) > 0));
}

function columns(states: readonly JobState[]): Column<QueueSummary>[] {
  return [
    { id: "name", title: "Queue", main: true, cell: (queue) => <Name queue={queue} /> },
    ...states.map(stateColumn),
    {
      id: "rate",
      title: "Done/min",
      align: "end",
      width: "86px",
      cell: (queue) => formatRate(queue.completed_per_minute),
      empty: isIdle,
    },
    {
      id: "latency",
      title: "Latency",
      width: "72px",
      align: "end",
      cell: (queue) => <Duration seconds={queue.latency} rough />,
      empty: (queue) => queue.latency === null,
    },
    {
      id: "busy",
      title: "Busy slots",
      width: "100px",
      cell: (queue) => <Busy queue={queue} />,
      empty: (queue) => queue.slots === 0,
    },
    {
      id: "spark",
      title: "Last hour",
      width: "112px",
      cell: (queue) => <Sparkline points={queue.spark} label={queue.name} />,
    },
  ];
}

function isIdle(queue: QueueSummary): boolean {
  return queue.completed_per_minute === 0;
}

function stateColumn(state: JobState): Column<QueueSummary> {
  return {
    id: state,
    title: state === "waiting-children" ? "Parents" : stateLook(state).word,
    align: "end",
    width: "77px",
    cell: ({ name, counts }) => (
      <StateCount state={state} count={counts[state] ?? 0} href={to.jobs(name, { state })} bare />
    ),
    empty: ({ counts }) => !counts[state],
  };
}

function Name({ queue }: { queue: QueueSummary }) {
  return (
    <span class="queue-name">
      <a href={to.queue(queue.name)}>{breakable(queue.name)}</a>
      <Held queue={queue} />
    </span>
  );
}

/** A name that may break after its separators. */
function breakable(name: string) {
  return name.split(/(?<=[-_.:/])/).flatMap((part, index) => (index === 0 ? [part] : [<wbr key={index} />, part]));
}

/** Why jobs of this queue do not run although they could: one pill a reason. */
export function Held({ queue }: { queue: Pick<QueueSummary, "paused" | "held"> }) {
  const reasons = queue.held.filter((reason) => !(queue.paused && /^paused\.?$/i.test(reason)));
  return (
    <>
      {queue.paused && (
        <span class="pill warning">
          <Icon icon={Pause} size={12} />
          Paused
        </span>
      )}
      {reasons.map((reason) => (
        <span key={reason} class="pill warning">
          {reason}
        </span>
      ))}
    </>
  );
}

function Busy({ queue }: { queue: QueueSummary }) {
  if (queue.slots > 0) return <Meter used={queue.busy} all={queue.slots} noun="slots busy" />;
  const text = queue.workers === 0 ? "no worker" : queue.workers === null ? DASH : `${queue.workers} connected`;
  return <span class="faint small nowrap">{text}</span>;
}
