import { ChartNoAxesGantt, List, Network } from "lucide";
import { useMemo, useState } from "preact/hooks";

import { api, jobPath } from "../../api/client";
import { useResource } from "../../api/resource";
import type { Flow } from "../../api/types";
import { Choices } from "../../components/choices";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Card, Page } from "../../components/page";
import { StateBadge } from "../../components/state_badge";
import { plural } from "../../format";
import { navigate, query, setQuery, to } from "../../router";
import "./flow.css";
import { GraphView } from "./graph_view";
import { ListView } from "./list_view";
import { Panel } from "./panel";
import { StateBar, StateWords } from "./summary";
import { addressOf, type FlowCounts, type FlowGroup, hasEnded, pathTo, runningIn, treeOf } from "./tree";
import { WaterfallView } from "./waterfall_view";

const REFRESH = 2;
const NARROW = "(max-width: 700px)";
const VIEWS = [
  { value: "graph", label: "Graph", icon: Network },
  { value: "waterfall", label: "Waterfall", icon: ChartNoAxesGantt },
  { value: "list", label: "List", icon: List },
] as const;

type View = (typeof VIEWS)[number]["value"];

export default function FlowScreen({ queue, id }: { queue: string; id: string }) {
  const [ended, setEnded] = useState(false);
  const { data, error, reload } = useResource((signal) => api.get<Flow>(jobPath(queue, id, "/flow"), { signal }), [queue, id], {
    every: ended ? 0 : REFRESH,
  });
  const root = useMemo(() => data && treeOf(data), [data]);
  const finished = Boolean(data?.nodes.every(hasEnded));
  if (finished !== ended) setEnded(finished);
  const name = root?.node.name ?? id;
  return (
    <Page
      title={`Flow of ${name}`}
      crumbs={[
        { label: "Queues", href: to.queues() },
        { label: queue, href: to.queue(queue) },
        { label: `Job ${id}`, href: to.job(queue, id) },
      ]}
      aside={root && <StateBadge state={root.node.state} />}
      actions={<Choices label="View" options={VIEWS} value={view()} onChange={(value) => setQuery({ view: value })} />}
    >
      {error && <ErrorBox error={error} retry={reload} />}
      {!data && !error && <Loading rows={8} />}
      {data && !root && <Card><Empty title="This job belongs to no flow" /></Card>}
      {data && root && <Content flow={data} root={root} />}
    </Page>
  );
}

function view(): View {
  const chosen = VIEWS.find(({ value }) => value === query("view").value);
  return chosen?.value ?? (window.matchMedia(NARROW).matches ? "list" : "graph");
}

function Content({ flow, root }: { flow: Flow; root: NonNullable<ReturnType<typeof treeOf>> }) {
  const shown = view();
  const selected = query("node").value;
  const opened = query("open").value;
  const follow = query("follow").value === "1";
  const open = useMemo(() => new Set((opened ?? "").split(",").filter(Boolean).map(decodeURIComponent)), [opened]);
  const counts = useMemo(() => countsOf(flow), [flow]);
  const running = useMemo(() => runningIn(root), [root]);
  const path = selected ? pathTo(root, selected) : undefined;
  const item = path?.[path.length - 1];
  const inSight = running && pathTo(root, running.key)?.find((step) => step.kind === "group" && (step.flat || !open.has(step.key)));

  const toggle = (group: FlowGroup) => {
    const next = new Set(open);
    if (!next.delete(group.key)) next.add(group.key);
    setQuery({ open: [...next].map(encodeURIComponent).join(",") }, { replace: true });
  };
  const select = (key: string | null) => setQuery({ node: key }, { replace: true });
  return (
    <>
      <Card>
        <div class="flow-summary">
          <b>{plural(flow.nodes.length, "job")}</b>
          <StateBar counts={counts} label="Jobs of the flow" />
          <StateWords counts={counts} />
        </div>
        {flow.truncated && <p class="warning-text small">The flow is larger than what is shown here.</p>}
      </Card>
      {shown === "list" && <Card><ListView root={root} open={open} onToggle={toggle} /></Card>}
      {shown === "waterfall" && <Card><WaterfallView root={root} open={open} onToggle={toggle} /></Card>}
      {shown === "graph" && (
        <div class={`flow-columns${item ? " with-panel" : ""}`}>
          <GraphView
            root={root}
            open={open}
            selected={selected}
            onSelect={select}
            onToggle={toggle}
            onOpen={(node) => {
              const address = addressOf(node);
              if (address) navigate(address);
            }}
            follow={follow}
            setFollow={(wanted) => setQuery({ follow: wanted ? 1 : null }, { replace: true })}
            running={inSight?.key ?? running?.key ?? null}
          />
          {item && <Panel item={item} open={open.has(item.key)} onToggle={toggle} onSelect={select} onClose={() => select(null)} />}
        </div>
      )}
    </>
  );
}

function countsOf(flow: Flow): FlowCounts {
  const counts: FlowCounts = {};
  for (const { state } of flow.nodes) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
