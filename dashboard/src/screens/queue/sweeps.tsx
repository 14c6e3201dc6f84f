import { useState } from "preact/hooks";
import { useOverview } from "../../api/live";
import type { Queue } from "../../api/types";
import { Checkbox } from "../../components/form";
import { toast } from "../../components/toast";
import { formatNumber, plural } from "../../format";
import { navigate, to } from "../../router";
import { STATES } from "../../states";
import { SweepDialog } from "./sweep_dialog";

interface Props {
  queue: Queue;
  onClose: () => void;
}

export function RetryFailedDialog({ queue, onClose }: Props) {
  const failed = queue.counts.failed ?? 0;
  const overview = useOverview();
  return (
    <SweepDialog
      title={`Retry failed jobs of ${queue.name}`}
      queue={queue.name}
      verb="retry-failed"
      body={() => ({ failed_before: overview.value?.at ?? null })}
      expected={failed}
      action={`Retry ${plural(failed, "job")}`}
      done="retried"
      ready={failed > 0}
      onClose={onClose}
    >
      <p>All {plural(failed, "failed job")} go back to the waiting jobs and run again, the oldest first.</p>
    </SweepDialog>
  );
}

export function PromoteDialog({ queue, onClose }: Props) {
  const delayed = queue.counts.delayed ?? 0;
  return (
    <SweepDialog
      title={`Run delayed jobs of ${queue.name} now`}
      queue={queue.name}
      verb="promote-delayed"
      body={() => ({})}
      expected={delayed}
      action={`Run ${plural(delayed, "job")} now`}
      done="made ready"
      ready={delayed > 0}
      onClose={onClose}
    >
      <p>
        All {plural(delayed, "delayed job")} become ready at once: also those that wait for a retry, and the next run of
        each schedule.
      </p>
    </SweepDialog>
  );
}

export function DrainDialog({ queue, onClose }: Props) {
  const [delayed, setDelayed] = useState(false);
  const waiting = (queue.counts.waiting ?? 0) + (queue.counts.prioritized ?? 0);
  const count = waiting + (delayed ? (queue.counts.delayed ?? 0) : 0);
  return (
    <SweepDialog
      title={`Drain ${queue.name}`}
      queue={queue.name}
      verb="drain"
      body={() => ({ delayed })}
      expected={count}
      action={`Delete ${plural(count, "job")}`}
      done="deleted"
      danger
      onClose={onClose}
    >
      <p>
        Deletes the {plural(waiting, "job")} that wait{waiting === 1 ? "s" : ""} to run. Active, completed and failed
        jobs stay, and so does the next run of each schedule. This cannot be undone.
      </p>
      <Checkbox checked={delayed} onChange={setDelayed}>
        Delete the {plural(queue.counts.delayed ?? 0, "delayed job")} as well
      </Checkbox>
    </SweepDialog>
  );
}

export function ObliterateDialog({ queue, onClose }: Props) {
  const [force, setForce] = useState(false);
  const count = STATES.reduce((sum, state) => sum + (queue.counts[state] ?? 0), 0);
  const active = queue.counts.active ?? 0;
  return (
    <SweepDialog
      title={`Obliterate ${queue.name}`}
      queue={queue.name}
      verb="obliterate"
      body={() => ({ force })}
      expected={count}
      action="Obliterate the queue"
      done="deleted, and the queue with them"
      danger
      typed={queue.name}
      ready={force || active === 0}
      onClose={onClose}
      onDone={() => {
        toast(`${queue.name} was obliterated.`);
        onClose();
        navigate(to.queues());
      }}
    >
      <p>
        Pauses the queue and deletes everything in it: {plural(count, "job")} in every state,{" "}
        {plural(queue.schedules, "schedule")}, limits, metrics and events. This cannot be undone.
      </p>
      {active > 0 && (
        <Checkbox checked={force} onChange={setForce}>
          Even though {formatNumber(active)} {active === 1 ? "is" : "are"} active: workers lose what they run
        </Checkbox>
      )}
    </SweepDialog>
  );
}
