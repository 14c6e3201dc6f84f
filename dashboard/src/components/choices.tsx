import type { IconNode } from "lucide";
import type { ComponentChildren } from "preact";

import "../styles/choices.css";
import { Icon } from "./icon";

export interface Choice<T> {
  value: T;
  label: ComponentChildren;
  icon?: IconNode;
}

interface Props<T> {
  label: string;
  options: readonly Choice<T>[];
  value: T | undefined;
  onChange: (value: T) => void;
}

/** A few ways to see the same thing, one of them chosen. */
export function Choices<T extends string | number>({ label, options, value, onChange }: Props<T>) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {options.map((option) => (
        <button key={option.value} type="button" aria-pressed={option.value === value} onClick={() => onChange(option.value)}>
          {option.icon && <Icon icon={option.icon} size={14} />}
          {option.label}
        </button>
      ))}
    </div>
  );
}
