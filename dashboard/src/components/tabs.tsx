import type { IconNode } from "lucide";
import { formatShort } from "../format";
import { Icon } from "./icon";

export interface Tab {
  id: string;
  label: string;
  href: string;
  icon?: IconNode;
  count?: number | null;
}

/** Views of one thing. Each has its own address, so these are links in a navigation landmark. */
export function Tabs({ label, tabs, current }: { label: string; tabs: readonly Tab[]; current: string }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <a key={tab.id} href={tab.href} aria-current={tab.id === current ? "page" : undefined}>
          {tab.icon && <Icon icon={tab.icon} size={15} />}
          {tab.label}
          {tab.count !== undefined && tab.count !== null && (
            <span class="tab-count number">{formatShort(tab.count)}</span>
          )}
        </a>
      ))}
    </nav>
  );
}
