import { Ban, CircleFadingArrowUp, type IconNode, ListOrdered, RotateCcw, Trash2 } from "lucide";
import type { JobAction, JobState, Role } from "../../api/types";

export interface ActionLook {
  action: JobAction;
  verb: string;
  /** For "12 jobs …". */
  done: string;
  icon: IconNode;
  needs: Role;
  danger: boolean;
  /** What happens, for the confirmation. */
  effect: string;
  states: readonly JobState[];
}

export const ACTIONS: readonly ActionLook[] = [
  {
    action: "retry",
    verb: "Retry",
    done: "retried",
    icon: RotateCcw,
    needs: "operator",
    danger: false,
    effect: "They go back to the waiting jobs and run again.",
    states: ["failed", "completed"],
  },
  {
    action: "promote",
    verb: "Run now",
    done: "made ready",
    icon: CircleFadingArrowUp,
    needs: "operator",
    danger: false,
    effect: "They no longer wait for their time.",
    states: ["delayed"],
  },
  {
    action: "change_priority",
    verb: "Change priority",
    done: "changed",
    icon: ListOrdered,
    needs: "operator",
    danger: false,
    effect: "They move to their new place among the jobs that wait.",
    states: ["waiting", "prioritized", "delayed"],
  },
  {
    action: "cancel",
    verb: "Cancel",
    done: "cancelled",
    icon: Ban,
    needs: "operator",
    danger: true,
    effect: "Running jobs are told to stop; jobs that wait do not run any more.",
    states: ["active", "waiting", "prioritized", "delayed", "waiting-children"],
  },
  {
    action: "remove",
    verb: "Remove",
    done: "removed",
    icon: Trash2,
    needs: "admin",
    danger: true,
    effect: "They are deleted with their data, logs and children. This cannot be undone.",
    states: ["waiting", "prioritized", "delayed", "waiting-children", "failed", "completed"],
  },
];

export function actionsFor(state: JobState): readonly ActionLook[] {
  return ACTIONS.filter(({ states }) => states.includes(state));
}
