/** Work out when schedules run today, as far as the next five times and the last runs tell. */

import type { Schedule, ScheduleRun } from "../../api/types";
import { parseInstant } from "../../format";

const DRAWN_AT_MOST = 150;
const MINUTE = 60_000;

export interface Day {
  start: number;
  end: number;
}

export interface DayPlan {
  schedule: Schedule;
  past: readonly ScheduleRun[];
  /** When it is still due today; empty for one that runs too often to be drawn run by run. */
  next: readonly number[];
  /** Milliseconds between runs, for one that runs too often. */
  dense: number | null;
  /** Whether there may be more runs today than are known. */
  open: boolean;
}

export function dayOf(now: number): Day {
  const start = new Date(now);
  start.setHours(0, 0, 0, 0);
  const end = new Date(start);
  end.setDate(end.getDate() + 1);
  return { start: start.getTime(), end: end.getTime() };
}

export function planOf(schedule: Schedule, day: Day): DayPlan {
  const past = schedule.last_runs.filter(({ at }) => isWithin(parseInstant(at), day));
  if (schedule.paused || schedule.next_at === null) return { schedule, past, next: [], dense: null, open: false };
  const known = schedule.next_five.map(parseInstant).filter((at) => at !== null);
  const step = evenStep(schedule, known);
  const first = known[0];
  if (step !== null && first !== undefined) return steppedPlan(schedule, past, first, step, day);
  const next = known.filter((at) => isWithin(at, day));
  return { schedule, past, next, dense: null, open: next.length > 0 && next.length === known.length };
}

function steppedPlan(schedule: Schedule, past: readonly ScheduleRun[], first: number, step: number, day: Day): DayPlan {
  const end = Math.min(day.end, parseInstant(schedule.end_at) ?? day.end);
  const left = schedule.limit === null ? Infinity : schedule.limit - (schedule.runs_made ?? 0);
  const count = Math.min(left, Math.max(0, Math.ceil((end - first) / step)));
  if (count > DRAWN_AT_MOST) return { schedule, past, next: [], dense: step, open: false };
  return { schedule, past, next: Array.from({ length: count }, (_, index) => first + index * step), dense: null, open: false };
}

/** Return the time between runs where it is always the same, as far as is known. */
function evenStep({ every }: Schedule, known: readonly number[]): number | null {
  if (every) return every * 1000;
  const steps = known.slice(1).map((at, index) => at - (known[index] ?? 0));
  const step = steps[0];
  // A cron pattern may keep an even step only for a while ("every 5 minutes from 9 to 17"): a day is not a step.
  return steps.length >= 4 && step && step <= 60 * MINUTE && steps.every((other) => other === step) ? step : null;
}

function isWithin(at: number | null, { start, end }: Day): boolean {
  return at !== null && at >= start && at < end;
}

export interface Collision {
  at: number;
  schedules: readonly Schedule[];
}

/** Return the minutes of today at which several schedules are due, the most crowded first. */
export function collisionsOf(plans: readonly DayPlan[]): Collision[] {
  const minutes = new Map<number, Schedule[]>();
  for (const { schedule, next } of plans) {
    for (const minute of new Set(next.map((at) => Math.floor(at / MINUTE) * MINUTE))) {
      minutes.set(minute, [...(minutes.get(minute) ?? []), schedule]);
    }
  }
  const crowded = [...minutes].filter(([, schedules]) => schedules.length > 1).map(([at, schedules]) => ({ at, schedules }));
  return crowded.sort((one, other) => other.schedules.length - one.schedules.length || one.at - other.at);
}
