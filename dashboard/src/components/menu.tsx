import { type IconNode } from "lucide";
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { Icon } from "./icon";

export interface MenuItem {
  label: string;
  icon?: IconNode;
  danger?: boolean;
  /** Why it cannot be chosen; giving one disables it. */
  reason?: string;
  /** For choices: whether it is the chosen one. */
  checked?: boolean;
  run: () => void;
}

interface Props {
  /** What the button shows. */
  children: ComponentChildren;
  /** Name of the button where what it shows is no text. */
  label?: string;
  items: readonly (MenuItem | "line")[];
  class?: string;
}

/** A button that opens a list of actions. Arrow keys, Home, End and the first letter move in it. */
export function Menu({ children, label, items, class: className }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState(false);

  const entries = () => [...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])];
  const focusEntry = (index: number) => {
    const all = entries();
    all[(index + all.length) % all.length]?.focus();
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    const move = moves[event.key];
    const typed = event.key.length === 1 ? all.findIndex((entry) => startsWith(entry, event.key)) : -1;
    if (event.key === "Tab") list.current?.hidePopover();
    else if (move !== undefined) focusEntry(move);
    else if (typed >= 0) focusEntry(typed);
    else return;
    if (event.key !== "Tab") event.preventDefault();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class={className ?? "button plain"}
        aria-haspopup="menu"
        aria-expanded={shown}
        aria-label={label}
        title={label}
        popovertarget={id}
      >
        {children}
      </button>
      <div
        ref={list}
        id={id}
        popover="auto"
        role="menu"
        class="menu"
        onKeyDown={onKeyDown}
        onToggle={(event) => {
          const open = event.newState === "open";
          setShown(open);
          if (!open) return;
          placeBelow(list.current, button.current);
          focusEntry(0);
        }}
      >
        {items.map((item, index) =>
          item === "line" ? (
            <hr key={index} />
          ) : (
            <Entry key={item.label} item={item} close={() => list.current?.hidePopover()} />
          ),
        )}
      </div>
    </>
  );
}

function startsWith(entry: HTMLElement, letter: string): boolean {
  return Boolean(entry.textContent?.trim().toLowerCase().startsWith(letter.toLowerCase()));
}

function Entry({ item, close }: { item: MenuItem; close: () => void }) {
  const choice = item.checked !== undefined;
  return (
    <button
      type="button"
      role={choice ? "menuitemcheckbox" : "menuitem"}
      aria-checked={choice ? item.checked : undefined}
      tabIndex={-1}
      class={`menu-item ${item.danger ? "danger-text" : ""}`}
      aria-disabled={item.reason ? true : undefined}
      title={item.reason}
      onClick={() => {
        if (item.reason) return;
        close();
        item.run();
      }}
    >
      {choice && <span class="menu-mark">{item.checked ? "✓" : ""}</span>}
      {item.icon && <Icon icon={item.icon} />}
      <span>{item.label}</span>
      {item.reason && <span class="visually-hidden">({item.reason})</span>}
    </button>
  );
}

/** Put something of the top layer under `anchor`, inside the window. */
function placeBelow(element: HTMLElement | null, anchor: HTMLElement | null): void {
  if (!element || !anchor) return;
  const place = anchor.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = element;
  const left = Math.max(8, Math.min(place.left, window.innerWidth - offsetWidth - 8));
  const below = place.bottom + 4;
  const top = below + offsetHeight > window.innerHeight ? Math.max(8, place.top - offsetHeight - 4) : below;
  element.style.left = `${left}px`;
  element.style.top = `${top}px`;
}
