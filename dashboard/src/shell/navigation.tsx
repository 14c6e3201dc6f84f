import {
  Activity,
  CalendarClock,
  CircleX,
  Container,
  Cpu,
  Database,
  Gauge,
  type IconNode,
  Layers,
  ScrollText,
} from "lucide";
import type { Overview } from "../api/types";
import { Icon } from "../components/icon";
import { formatBytes, formatShort } from "../format";
import { type ScreenName, route, to } from "../router";
import { session } from "../session";

interface Entry {
  label: string;
  icon: IconNode;
  href: string;
  screens: readonly ScreenName[];
  count?: number;
  tone?: "danger";
}

export function Navigation({ overview }: { overview: Overview | undefined }) {
  const current = route.value.screen;
  const failed = Object.values(overview?.queues ?? {}).reduce((sum, queue) => sum + (queue.counts.failed ?? 0), 0);
  const watch: Entry[] = [
    {
      label: "Overview",
      icon: Gauge,
      href: to.overview(),
      screens: ["overview"],
      count: overview?.attention.length,
      tone: "danger",
    },
    {
      label: "Queues",
      icon: Layers,
      href: to.queues(),
      screens: ["queues", "queue", "job", "flow"],
      count: overview && Object.keys(overview.queues).length,
    },
    { label: "Failures", icon: CircleX, href: to.failures(), screens: ["failures"], count: failed },
    { label: "Schedules", icon: CalendarClock, href: to.schedules(), screens: ["schedules"] },
    { label: "Workers", icon: Cpu, href: to.workers(), screens: ["workers"], count: overview?.totals.workers },
    { label: "Metrics", icon: Activity, href: to.metrics(), screens: ["metrics"] },
  ];
  const kubernetes: Entry = { label: "Kubernetes", icon: Container, href: to.kubernetes(), screens: ["kubernetes"] };
  const system: Entry[] = [
    ...(overview?.kubernetes || current === "kubernetes" ? [kubernetes] : []),
    { label: "Redis", icon: Database, href: to.redis(), screens: ["redis"] },
    { label: "Audit log", icon: ScrollText, href: to.audit(), screens: ["audit"] },
  ];
  return (
    <nav id="navigation" class="nav" aria-label="Screens">
      <Entries entries={watch} current={current} />
      <p class="nav-title">System</p>
      <Entries entries={system} current={current} />
      <footer class="nav-foot">
        {overview && (
          <p>
            {overview.server.name}
            <br />
            {formatBytes(overview.server.memory)} used
          </p>
        )}
        {session.value && session.value.auth !== "none" && (
          <p>
            {session.value.user}, {session.value.role}
          </p>
        )}
        {session.value && (
          <p>
            oxmq {session.value.version} · prefix <code>{session.value.prefix}</code>
          </p>
        )}
      </footer>
    </nav>
  );
}

function Entries({ entries, current }: { entries: readonly Entry[]; current: ScreenName }) {
  return (
    <ul>
      {entries.map(({ label, icon, href, screens, count, tone }) => (
        <li key={label}>
          <a href={href} aria-current={screens.includes(current) ? "page" : undefined}>
            <Icon icon={icon} />
            <span class="grow">{label}</span>
            {Boolean(count) && <span class={`nav-count number ${tone ?? ""}`}>{formatShort(count)}</span>}
          </a>
        </li>
      ))}
    </ul>
  );
}
