import { signal } from "@preact/signals";
import { CircleAlert, CircleCheck, X } from "lucide";
import { IconButton } from "./button";
import { Icon } from "./icon";

interface Toast {
  id: number;
  kind: "done" | "error";
  text: string;
}

const DONE_FOR = 6_000;
const AT_MOST = 4;

const toasts = signal<readonly Toast[]>([]);
let lastId = 0;

/** Say that something was done; goes away by itself. */
export function toast(text: string): void {
  const id = add("done", text);
  window.setTimeout(() => dismiss(id), DONE_FOR);
}

/** Say that something failed; stays until it is dismissed. */
export function toastError(error: unknown): void {
  add("error", error instanceof Error ? error.message : String(error));
}

function add(kind: Toast["kind"], text: string): number {
  lastId += 1;
  toasts.value = [...toasts.value.slice(1 - AT_MOST), { id: lastId, kind, text }];
  return lastId;
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((shown) => shown.id !== id);
}

/** Part of the shell. The region is always there, so that screen readers announce what is put into it. */
export function ToastHost() {
  return (
    <div class="toasts" role="region" aria-label="Messages" aria-live="polite">
      {toasts.value.map(({ id, kind, text }) => (
        <div key={id} class={`toast ${kind}`} role={kind === "error" ? "alert" : undefined}>
          <Icon icon={kind === "error" ? CircleAlert : CircleCheck} />
          <span class="grow">{text}</span>
          <IconButton icon={X} label="Dismiss" onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}
