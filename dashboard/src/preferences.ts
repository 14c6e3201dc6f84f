import { effect, type Signal, signal } from "@preact/signals";

/** Choices of one browser: kept in its storage where it allows that. */
export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "dense";

export const theme = stored<Theme>("oxmq.theme", "system", (text) =>
  text === "light" || text === "dark" ? text : "system",
);
export const density = stored<Density>("oxmq.density", "comfortable", (text) =>
  text === "dense" ? text : "comfortable",
);

/** A signal that outlives the page. `parse` makes sense of whatever was stored. */
export function stored<T extends string>(key: string, initial: T, parse: (text: string) => T): Signal<T> {
  const value = signal<T>(initial);
  try {
    const kept = localStorage.getItem(key);
    if (kept !== null) value.value = parse(kept);
  } catch {
    return value;
  }
  let first = true;
  effect(() => {
    const text = value.value;
    if (!first) localStorage.setItem(key, text);
    first = false;
  });
  return value;
}

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});
effect(() => {
  document.documentElement.dataset["density"] = density.value;
});
