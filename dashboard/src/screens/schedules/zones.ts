/** Times of day in other zones than the browser's. */

export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Return all zones that the browser knows; UTC first. */
export function allZones(): string[] {
  return ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat(undefined, { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** Return weekday, day and time of an instant in `zone`; in UTC where the browser does not know the zone. */
export function inZone(at: string, zone: string): string {
  const format = new Intl.DateTimeFormat(undefined, {
    timeZone: isZone(zone) ? zone : "UTC",
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
  return format.format(Date.parse(at));
}
