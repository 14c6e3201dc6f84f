import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CirclePlay,
  CircleX,
  Clock,
  type IconNode,
  ListOrdered,
  Network,
} from "lucide";
import type { Counts, JobState } from "./api/types";

export interface StateLook {
  word: string;
  icon: IconNode;
  /** A CSS colour for text, icons and charts. */
  colour: string;
  meaning: string;
}

/** In the order of a job's life, which is the order of chips and columns. */
export const STATES = [
  "active",
  "waiting",
  "prioritized",
  "delayed",
  "waiting-children",
  "failed",
  "completed",
] as const;

const LOOKS: Record<JobState, Omit<StateLook, "colour">> = {
  active: { word: "Active", icon: CirclePlay, meaning: "A worker runs it" },
  waiting: { word: "Waiting", icon: CircleDashed, meaning: "Ready; the next free worker takes it" },
  prioritized: {
    word: "Prioritized",
    icon: ListOrdered,
    meaning: "Ready; taken after waiting jobs, in order of priority",
  },
  delayed: { word: "Delayed", icon: Clock, meaning: "Waits for its time" },
  "waiting-children": { word: "Waiting for children", icon: Network, meaning: "Its children are not finished" },
  failed: { word: "Failed", icon: CircleX, meaning: "Gave up after its attempts" },
  completed: { word: "Completed", icon: CircleCheck, meaning: "Done" },
  unknown: { word: "Unknown", icon: CircleHelp, meaning: "In no list of the queue" },
};

export function stateLook(state: string): StateLook {
  const known = LOOKS[state as JobState] ?? { word: state, icon: Ban, meaning: "" };
  const name = state in LOOKS ? state : "unknown";
  return { ...known, colour: `var(--state-${name})` };
}

export function isState(text: string | null): text is (typeof STATES)[number] {
  return text !== null && (STATES as readonly string[]).includes(text);
}

export function unfinished(counts: Counts): number {
  return STATES.reduce(
    (sum, state) => (state === "failed" || state === "completed" ? sum : sum + (counts[state] ?? 0)),
    0,
  );
}
