import type { ComponentChildren } from "preact";
import type { Queue } from "../../api/types";
import { Meter } from "../../components/progress";
import { Duration } from "../../components/time";
import { formatDuration, formatNumber, formatRate, plural } from "../../format";

/** One line about the queue as a whole: rates, waiting, workers, limits. */
export function Facts({ queue }: { queue: Queue }) {
  const { limits } = queue;
  return (
    <dl class="queue-facts">
      <Fact label="Added">{formatRate(queue.added_per_minute)}/min</Fact>
      <Fact label="Done">{formatRate(queue.completed_per_minute)}/min</Fact>
      <Fact label="Failed">
        <span class={queue.failed_per_minute > 0 ? "danger-text" : ""}>{formatRate(queue.failed_per_minute)}/min</span>
      </Fact>
      <Fact label="Latency">
        <Duration seconds={queue.latency} />
      </Fact>
      <Fact label="Workers">
        {queue.slots > 0 ? <Meter used={queue.busy} all={queue.slots} noun="slots busy" /> : connections(queue.workers)}
      </Fact>
      <Fact label="At once">
        {limits.concurrency === null ? "no limit" : `${formatNumber(limits.concurrency)} jobs`}
      </Fact>
      <Fact label="Rate limit">
        {limits.rate_max === null
          ? "none"
          : `${formatNumber(limits.rate_max)} per ${formatDuration(limits.rate_duration)}`}
      </Fact>
    </dl>
  );
}

/** Workers that tell nothing of themselves are known by their connections only. */
function connections(workers: number | null): string {
  if (workers === null) return "unknown";
  return workers === 0 ? "none" : plural(workers, "connection");
}

function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd class="number">{children}</dd>
    </div>
  );
}
