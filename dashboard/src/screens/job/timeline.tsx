import { CirclePlus, CornerDownRight, type IconNode, RotateCcw } from "lucide";
import { useState } from "preact/hooks";

import { now } from "../../clock";
import type { Job, TimelineEntry } from "../../api/types";
import { Icon } from "../../components/icon";
import { Elapsed, Time } from "../../components/time";
import { formatDuration, formatNumber, parseInstant } from "../../format";
import { stateLook } from "../../states";
import { isEnded } from "./live";

const AT_MOST = 9;
const KEPT_AT_START = 3;

interface Look {
  word: string;
  icon: IconNode;
  colour: string;
}

const OTHER_LOOKS: Record<string, Look> = {
  added: { word: "Added", icon: CirclePlus, colour: "var(--text-2)" },
  retrying: { word: "Retrying", icon: RotateCcw, colour: "var(--state-delayed)" },
};

/** The way of a job through its states, with the time that it spent between them. */
export function Timeline({ job }: { job: Job }) {
  const [whole, setWhole] = useState(false);
  const steps = job.timeline;
  const cut = !whole && steps.length > AT_MOST;
  const hidden = cut ? steps.length - AT_MOST : 0;
  const shown = steps.map((step, index) => ({ step, index }));
  const head = cut ? shown.slice(0, KEPT_AT_START) : shown;
  const tail = cut ? shown.slice(KEPT_AT_START + hidden) : [];
  const last = steps.length - 1;
  const current = isAhead(steps[last]) ? last - 1 : last;
  const draw = ({ step, index }: { step: TimelineEntry; index: number }) => (
    <Step key={index} step={step} last={index === last} current={index === current} running={index === current && !isEnded(job)} />
  );
  return (
    <>
      <TimeBar steps={steps} />
      <ol class="timeline" aria-label="States of this job, oldest first">
        {head.map(draw)}
        {cut && (
          <li class="timeline-step cut">
            <button type="button" class="timeline-more" onClick={() => setWhole(true)}>
              {formatNumber(hidden)} more
            </button>
            <span class="timeline-link" aria-hidden="true" />
          </li>
        )}
        {tail.map(draw)}
      </ol>
    </>
  );
}

interface StepProps {
  step: TimelineEntry;
  last: boolean;
  /** Where the job is. A step after it is still to come. */
  current: boolean;
  running: boolean;
}

function Step({ step, last, current, running }: StepProps) {
  const look = lookOf(step.state);
  const marks = [current && "current", running && "running", isAhead(step) && "ahead"].filter(Boolean).join(" ");
  return (
    <li class={`timeline-step ${marks}`} aria-current={current ? "step" : undefined} style={{ "--colour": look.colour }}>
      <span class="timeline-dot" aria-hidden="true">
        <Icon icon={look.icon} size={15} />
      </span>
      <span class="timeline-text">
        <b>{look.word}</b>
        {step.text && <span class="timeline-note">{step.text}</span>}
        {step.at && <span class="timeline-when"><Time at={step.at} /></span>}
      </span>
      {!last && (
        <span class="timeline-link">
          {step.duration !== null && <span class="timeline-took number">{formatDuration(step.duration)}</span>}
        </span>
      )}
      {running && last && step.at && <span class="timeline-took here number">for <Elapsed since={step.at} /></span>}
    </li>
  );
}

/** How the time was shared out: as long as each state lasted. */
function TimeBar({ steps }: { steps: readonly TimelineEntry[] }) {
  const timed = steps.filter(({ duration }) => duration !== null && duration > 0);
  const all = timed.reduce((sum, { duration }) => sum + (duration ?? 0), 0);
  if (all <= 0 || timed.length < 2) return null;
  const words = timed.map((step) => `${lookOf(step.state).word} ${formatDuration(step.duration)}`).join(", ");
  return (
    <div class="time-bar" role="img" aria-label={`Time spent: ${words}`}>
      {timed.map((step, index) => (
        <span
          key={index}
          style={{ flexGrow: String((step.duration ?? 0) / all), background: lookOf(step.state).colour }}
          title={`${lookOf(step.state).word}: ${formatDuration(step.duration)}`}
        />
      ))}
    </div>
  );
}

function lookOf(state: string): Look {
  const known = OTHER_LOOKS[state];
  if (known) return known;
  const look = stateLook(state);
  return look.meaning ? look : { word: capital(state), icon: CornerDownRight, colour: "var(--text-2)" };
}

function isAhead(step: TimelineEntry | undefined): boolean {
  const moment = parseInstant(step?.at);
  return moment !== null && moment > now.value;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
