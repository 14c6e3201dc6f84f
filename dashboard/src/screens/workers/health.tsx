import { CircleCheck, CircleHelp, CirclePause, Gauge, type IconNode, OctagonAlert, Unplug } from "lucide";

import type { WorkerHealth } from "../../api/types";
import { Icon } from "../../components/icon";

export interface HealthLook {
  word: string;
  icon: IconNode;
  colour: string;
  meaning: string;
}

/** The worst first: the order of the filters. */
export const HEALTHS: Record<WorkerHealth, HealthLook> = {
  stuck: { word: "Stuck", icon: OctagonAlert, colour: "var(--danger)", meaning: "It is there and makes no progress" },
  slow: { word: "Slow", icon: Gauge, colour: "var(--warning)", meaning: "Its event loop is late: something blocks it" },
  gone: { word: "Gone", icon: Unplug, colour: "var(--text-3)", meaning: "It vanished without a word" },
  paused: { word: "Paused", icon: CirclePause, colour: "var(--state-delayed)", meaning: "It takes no new jobs" },
  unknown: { word: "Not known", icon: CircleHelp, colour: "var(--text-2)", meaning: "It is connected, and says no more about itself" },
  ok: { word: "Healthy", icon: CircleCheck, colour: "var(--success)", meaning: "It fetches and runs jobs" },
};

export function Health({ health }: { health: WorkerHealth }) {
  const look = HEALTHS[health] ?? HEALTHS.unknown;
  return (
    <span class="state-badge" style={{ "--colour": look.colour }} title={look.meaning}>
      <Icon icon={look.icon} size={15} />
      {look.word}
    </span>
  );
}
