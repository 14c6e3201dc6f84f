import { computed, type ReadonlySignal, signal } from "@preact/signals";

/** The present in milliseconds, once a second while the page is visible. Relative times follow it. */
const nowSignal = signal(Date.now());
export const now: ReadonlySignal<number> = nowSignal;

/** When the present minute began, in milliseconds. */
export const minute: ReadonlySignal<number> = computed(() => Math.floor(nowSignal.value / 60_000) * 60_000);

function tick(): void {
  if (!document.hidden) nowSignal.value = Date.now();
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
