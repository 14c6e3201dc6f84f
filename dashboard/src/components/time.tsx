import { now } from "../clock";
import type { Instant, Seconds } from "../api/types";
import { DASH, formatAbsolute, formatDuration, formatRelative, formatRoughly, parseInstant } from "../format";

/** An instant as "12 s ago" or "in 3 min", kept up to date; the date, time and zone are the title. */
export function Time({ at }: { at: Instant | null | undefined }) {
  if (parseInstant(at) === null) return <span class="faint">{DASH}</span>;
  return (
    <time class="nowrap number" dateTime={at ?? undefined} title={formatAbsolute(at)}>
      {formatRelative(at, now.value)}
    </time>
  );
}

/** An instant written out, with the relative form as its title. */
export function FullTime({ at }: { at: Instant | null | undefined }) {
  if (parseInstant(at) === null) return <span class="faint">{DASH}</span>;
  return (
    <time class="number" dateTime={at ?? undefined} title={formatRelative(at, now.value)}>
      {formatAbsolute(at)}
    </time>
  );
}

/** A length of time; with `rough` in its largest unit alone, with all of it on hover. */
export function Duration({ seconds, rough }: { seconds: Seconds | null | undefined; rough?: boolean }) {
  if (seconds === null || seconds === undefined) return <span class="faint">{DASH}</span>;
  return (
    <span class="nowrap number" title={rough ? formatDuration(seconds) : `${seconds} seconds`}>
      {rough && seconds >= 60 ? formatRoughly(seconds) : formatDuration(seconds)}
    </span>
  );
}

/** How long something runs that began at `since`; ticks. */
export function Elapsed({ since }: { since: Instant | null | undefined }) {
  const start = parseInstant(since);
  if (start === null) return <span class="faint">{DASH}</span>;
  return <span class="nowrap number">{formatDuration(Math.max(0, Math.floor((now.value - start) / 1000)))}</span>;
}
