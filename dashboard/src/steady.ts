import { useRef } from "preact/hooks";

/**
 * Sort items once and keep their places while they change, so that no row moves away under the pointer. New items
 * come at the end. Another `reset` sorts anew.
 */
export function useSteadyOrder<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  compare: (one: T, other: T) => number,
  reset: string,
): T[] {
  const places = useRef<{ reset: string; keys: Map<string, number> }>({ reset: "", keys: new Map() });
  if (places.current.reset !== reset) places.current = { reset, keys: new Map() };
  const { keys } = places.current;
  for (const item of [...items].sort(compare)) {
    const key = keyOf(item);
    if (!keys.has(key)) keys.set(key, keys.size);
  }
  return [...items].sort((one, other) => (keys.get(keyOf(one)) ?? 0) - (keys.get(keyOf(other)) ?? 0));
}
