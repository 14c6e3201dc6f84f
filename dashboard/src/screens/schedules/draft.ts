/** What is typed in the dialog for a schedule, and what the API wants of it. */

import { parseExact, stringifyExact } from "../../api/exact_json";
import type { Json, Schedule } from "../../api/types";
import { delayText, parseDelay } from "../job/delay";
import { browserZone, isZone } from "./zones";

export interface Draft {
  queue: string;
  id: string;
  kind: "cron" | "every";
  cron: string;
  every: string;
  zone: string;
  name: string;
  data: string;
  limit: string;
  start: string;
  end: string;
  missed: string;
  overlap: string;
}

export type Mistakes = Partial<Record<keyof Draft, string>>;

export function emptyDraft(queue: string): Draft {
  return {
    queue, id: "", kind: "cron", cron: "0 9 * * *", every: "10 min", zone: browserZone(), name: "", data: "{}",
    limit: "", start: "", end: "", missed: "one", overlap: "allow",
  };
}

export function draftOf(schedule: Schedule): Draft {
  return {
    ...emptyDraft(schedule.queue),
    id: schedule.id,
    kind: schedule.cron ? "cron" : "every",
    cron: schedule.cron ?? "",
    every: schedule.every ? delayText(schedule.every) : "",
    zone: schedule.time_zone ?? "UTC",
    name: schedule.name,
    data: stringifyExact(schedule.data, 2),
    limit: schedule.limit === null ? "" : String(schedule.limit),
    start: localText(schedule.start_at),
    end: localText(schedule.end_at),
    missed: schedule.missed ?? "one",
    overlap: schedule.overlap ?? "allow",
  };
}

export function mistakesIn(draft: Draft): Mistakes {
  const mistakes: Mistakes = {};
  if (!draft.queue) mistakes.queue = "Choose a queue.";
  if (!draft.id.trim()) mistakes.id = "Write an id.";
  if (draft.kind === "cron" && ![5, 6].includes(draft.cron.trim().split(/\s+/).length) && !draft.cron.trim().startsWith("@")) {
    mistakes.cron = "Write five fields (minute, hour, day, month, weekday), or six with seconds first.";
  }
  if (draft.kind === "every" && !parseDelay(draft.every)) mistakes.every = 'Write a number and a unit, such as "10 min".';
  if (draft.kind === "cron" && !isZone(draft.zone)) mistakes.zone = 'Write a time zone, such as "Europe/Berlin".';
  if (draft.limit && !/^[1-9]\d{0,8}$/.test(draft.limit)) mistakes.limit = "Write a whole number from 1 on, or nothing.";
  if (draft.start && draft.end && draft.start >= draft.end) mistakes.end = "The end must be after the start.";
  try {
    parseExact(draft.data);
  } catch (error) {
    mistakes.data = `This is not JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
  return mistakes;
}

/** Return the body of the call. The options of the jobs are kept as they are. */
export function bodyOf(draft: Draft, options: Record<string, Json>): Record<string, Json> {
  const cron = draft.kind === "cron";
  return {
    ...(cron ? { cron: draft.cron.trim(), time_zone: draft.zone } : { every: parseDelay(draft.every) ?? 0 }),
    ...(draft.name.trim() ? { name: draft.name.trim() } : {}),
    data: parseExact(draft.data) as Json,
    ...(Object.keys(options).length > 0 ? { options } : {}),
    ...(draft.limit ? { limit: Number(draft.limit) } : {}),
    ...(draft.start ? { start_at: new Date(draft.start).toISOString() } : {}),
    ...(draft.end ? { end_at: new Date(draft.end).toISOString() } : {}),
    missed: draft.missed,
    overlap: draft.overlap,
  };
}

/** Return an instant as a `datetime-local` field wants it, in the browser's zone. */
function localText(at: string | null): string {
  if (!at) return "";
  const moment = new Date(at);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
