import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

/**
 * Keyboard shortcuts of the page. Screens register theirs while they are shown; the `?` sheet lists all.
 * A shortcut is one key ("j", "Shift+X", "Ctrl+k") or two in a row ("g q").
 */
export interface Shortcut {
  keys: string;
  label: string;
  group: string;
  run: (event: KeyboardEvent) => void;
}

const PAIR_WITHIN = 1200;

export const shortcuts = signal<readonly Shortcut[]>([]);

let first = "";
let firstAt = 0;

export function useShortcuts(list: readonly Shortcut[]): void {
  const latest = useRef(list);
  latest.current = list;
  useLayoutEffect(() => {
    const mine = list.map(({ keys, label, group }, index) => ({
      keys,
      label,
      group,
      run: (event: KeyboardEvent) => latest.current[index]?.run(event),
    }));
    shortcuts.value = [...shortcuts.value, ...mine];
    return () => {
      shortcuts.value = shortcuts.value.filter((shortcut) => !mine.includes(shortcut));
    };
  }, [list.map(({ keys }) => keys).join("|")]);
}

export function startKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const key = nameOf(event);
    const chorded = event.ctrlKey || event.metaKey;
    if (!chorded && (isTyping(event.target) || document.querySelector("dialog[open]"))) return;
    const pair = Date.now() - firstAt < PAIR_WITHIN ? `${first} ${key}` : "";
    const found = find(pair) ?? find(key);
    first = found ? "" : key;
    firstAt = Date.now();
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}

/** The one registered last wins: a screen may take a key over from the shell. */
function find(keys: string): Shortcut | undefined {
  return keys ? shortcuts.value.findLast((shortcut) => shortcut.keys === keys) : undefined;
}

function nameOf(event: KeyboardEvent): string {
  if (event.ctrlKey || event.metaKey) return `Ctrl+${event.key.toLowerCase()}`;
  if (event.altKey) return `Alt+${event.key}`;
  return event.shiftKey && /^[A-Z]$/i.test(event.key) ? `Shift+${event.key.toUpperCase()}` : event.key;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
