import type { Instant, Json, Seconds } from "./api/types";

/** Numbers, sizes, durations and instants as people read them. Everything takes null and shows a dash. */

export const DASH = "–";

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function formatNumber(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : whole.format(value);
}

/** "12.4K": only where room is scarce, always with the whole number on hover. */
export function formatShort(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  return value < 10_000 ? whole.format(value) : short.format(value);
}

/** A rate: two digits that matter, no "0.00" for what is not zero. */
export function formatRate(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  if (value === 0) return "0";
  if (value < 0.01) return "<0.01";
  if (value < 1) return value.toFixed(2);
  return value < 10 ? value.toFixed(1) : formatShort(Math.round(value));
}

export function formatPercent(part: number, all: number): string {
  if (all <= 0) return DASH;
  const percent = (part / all) * 100;
  return `${percent > 0 && percent < 1 ? "<1" : Math.floor(percent)}%`;
}

export function formatBytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = value;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}

/** "850 ms", "12 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function formatDuration(seconds: Seconds | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 0.0005) return "<1 ms";
  if (size < 1) return `${size < 0.01 ? Number((size * 1000).toPrecision(2)) : Math.round(size * 1000)} ms`;
  if (size < 60) return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)} s`;
  return formatLong(Math.round(size));
}

const LONG_UNITS = [
  { name: "d", seconds: 86_400 },
  { name: "h", seconds: 3_600 },
  { name: "min", seconds: 60 },
  { name: "s", seconds: 1 },
];

function formatLong(seconds: number): string {
  const first = LONG_UNITS.findIndex((unit) => seconds >= unit.seconds);
  const [large, small] = [LONG_UNITS[first], LONG_UNITS[first + 1]];
  if (!large) return "0 s";
  const count = Math.floor(seconds / large.seconds);
  const rest = small ? Math.floor((seconds % large.seconds) / small.seconds) : 0;
  return `${formatNumber(count)} ${large.name}${small && rest > 0 && count < 100 ? ` ${rest} ${small.name}` : ""}`;
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const zoned = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });

export function parseInstant(at: Instant | null | undefined): number | null {
  if (!at) return null;
  const moment = Date.parse(at);
  return Number.isNaN(moment) ? null : moment;
}

/** Date and time in the browser's zone, with its name. */
export function formatAbsolute(at: Instant | null | undefined): string {
  const moment = parseInstant(at);
  if (moment === null) return DASH;
  const zone = zoned.formatToParts(moment).find(({ type }) => type === "timeZoneName")?.value ?? "";
  return `${absolute.format(moment)} ${zone}`.trim();
}

export function formatClock(at: Instant | null | undefined): string {
  const moment = parseInstant(at);
  return moment === null ? DASH : clock.format(moment);
}

/** "just now", "12 s ago", "in 3 min". */
export function formatRelative(at: Instant | null | undefined, now: number): string {
  const moment = parseInstant(at);
  if (moment === null) return DASH;
  const seconds = (now - moment) / 1000;
  if (Math.abs(seconds) < 1.5) return "just now";
  const size = formatRoughly(Math.abs(seconds));
  return seconds > 0 ? `${size} ago` : `in ${size}`;
}

/** The largest unit alone: "12 min". */
export function formatRoughly(seconds: number): string {
  const unit = LONG_UNITS.find(({ seconds: size }) => seconds >= size) ?? { name: "s", seconds: 1 };
  return `${formatNumber(Math.floor(seconds / unit.seconds))} ${unit.name}`;
}

/** "1 job", "1,204 jobs". */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatNumber(count)} ${count === 1 ? noun : many}`;
}

/** A progress value as a share of 1 where it is a percentage; anything else has no bar. */
export function progressShare(progress: Json): number | null {
  if (typeof progress !== "number" || progress < 0 || progress > 100) return null;
  return progress / 100;
}
