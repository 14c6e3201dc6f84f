import { Copy } from "lucide";
import { useEffect } from "preact/hooks";

import type { PodRun } from "../../api/types";
import { now } from "../../clock";
import { copyText } from "../../clipboard";
import { IconButton } from "../../components/button";
import { Card, Facts } from "../../components/page";
import { FullTime, Time } from "../../components/time";
import { formatNumber, formatRelative } from "../../format";

/** Nothing tells of heartbeats: while a pod runs they are asked for, so often in seconds. */
const LOOK_EVERY = 10;

const PHASES: Record<PodRun["phase"], string> = {
  spawning: "The cluster is asked for the pod",
  spawned: "The pod was asked for",
  over: "Over",
};

/** Where a heavy job runs, or ran last, and how to look at it with kubectl. */
export function Pod({ run, ended, reload }: { run: PodRun; ended: boolean; reload: () => void }) {
  const alive = !ended && run.phase !== "over";
  useEffect(() => {
    if (!alive) return;
    const timer = window.setInterval(() => document.hidden || reload(), LOOK_EVERY * 1000);
    return () => clearInterval(timer);
  }, [alive, reload]);
  return (
    <Card title="Pod" class="pod">
      <Facts
        facts={[
          { label: "Job", value: <code>{run.namespace}/{run.name}</code> },
          { label: "Pod", value: run.pod ? <code>{run.pod}</code> : <span class="faint">not known</span> },
          { label: "Run", value: runText(run) },
          { label: "Phase", value: ended ? PHASES.over : PHASES[run.phase] },
          { label: "Begun", value: <FullTime at={run.started_at} /> },
          { label: "Heart", value: <Heart run={run} alive={alive} /> },
        ]}
      />
      {run.commands.length > 0 && (
        <ul class="pod-commands">
          {run.commands.map((command) => (
            <li key={command}>
              <code>{command}</code>
              <IconButton icon={Copy} label={`Copy ${command}`} onClick={() => void copyText(command, "the command")} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function runText({ number, attempt, disruptions }: PodRun): string {
  const text = `${formatNumber(number)}, of attempt ${formatNumber(attempt)}`;
  return disruptions > 0 ? `${text} (disrupted ${formatNumber(disruptions)} ×)` : text;
}

function Heart({ run, alive }: { run: PodRun; alive: boolean }) {
  if (!run.heart_at) return <span class="faint">It has not said that it lives</span>;
  if (!alive) return <>Last said that it lives: <Time at={run.heart_at} /></>;
  return <>Said {formatRelative(run.heart_at, now.value)} that it lives</>;
}
