import type { IconNode } from "lucide";
import { h } from "preact";

interface Props {
  icon: IconNode;
  size?: number;
  /** Say what it means where no text beside it does; without it, screen readers skip the icon. */
  label?: string;
  class?: string;
}

export function Icon({ icon, size = 16, label, class: className }: Props) {
  const named = label ? { role: "img" as const, "aria-label": label } : { "aria-hidden": true as const };
  return (
    <svg
      class={`icon ${className ?? ""}`}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      {...named}
    >
      {icon.map(([tag, attributes]) => h(tag, attributes))}
    </svg>
  );
}
