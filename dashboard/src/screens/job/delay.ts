/** Read and write a length of time as people type it: "90", "90 s", "10 min", "1.5 h". */

const UNITS: Record<string, number> = {
  ms: 0.001, s: 1, sec: 1, second: 1, seconds: 1, m: 60, min: 60, minute: 60, minutes: 60,
  h: 3_600, hour: 3_600, hours: 3_600, d: 86_400, day: 86_400, days: 86_400, w: 604_800, week: 604_800, weeks: 604_800,
};

/** Return seconds, or null when the text is no length of time. A number without a unit is seconds. */
export function parseDelay(text: string): number | null {
  const parts = text.trim().toLowerCase().match(/^(\d+(?:\.\d+)?)\s*([a-z]*)$/);
  if (!parts) return null;
  const unit = parts[2] === "" ? 1 : UNITS[parts[2] ?? ""];
  return unit === undefined ? null : Number(parts[1]) * unit;
}

/** Return seconds in the largest unit that needs no fraction. */
export function delayText(seconds: number): string {
  const units: [string, number][] = [["d", 86_400], ["h", 3_600], ["min", 60]];
  const unit = units.find(([, size]) => seconds >= size && seconds % size === 0);
  return unit ? `${seconds / unit[1]} ${unit[0]}` : `${seconds} s`;
}
