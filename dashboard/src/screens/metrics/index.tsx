import { ChartLine } from "lucide";
import { useMemo } from "preact/hooks";

import { api, segment } from "../../api/client";
import { useOverview } from "../../api/live";
import { useResource } from "../../api/resource";
import type { Metrics, Percentiles } from "../../api/types";
import { Chart } from "../../components/chart";
import { Choices } from "../../components/choices";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Card, Figure, Page } from "../../components/page";
import { QueueFilter } from "../../components/queue_filter";
import { type Column, Table } from "../../components/table";
import { Duration } from "../../components/time";
import { formatDuration, formatNumber, formatPercent, formatRate, formatShort, plural } from "../../format";
import { query, setQuery, to } from "../../router";
import { Heat } from "./heat_map";
import "./metrics.css";
import { type Range, RANGES, type Slot, slotsOf } from "./series";

const REFRESH = 20;

/** With `queue` it is a tab of that queue's screen: content only. Without, a screen of its own (in a Page). */
export default function MetricsScreen({ queue }: { queue?: string }) {
  const range = RANGES.find(({ value }) => String(value) === query("minutes").value) ?? RANGES[0];
  if (queue !== undefined) {
    return (
      <>
        <div class="row"><span class="grow" /><RangeChoice range={range} /></div>
        <Content queue={queue} range={range} />
      </>
    );
  }
  return <AllMetrics range={range} />;
}

function AllMetrics({ range }: { range: Range }) {
  const overview = useOverview().value;
  const busiest = useMemo(() => busiestOf(overview?.queues), [overview === undefined]);
  const queue = query("queue").value ?? busiest;
  return (
    <Page
      title="Metrics"
      actions={
        <>
          <QueueFilter value={queue ?? ""} onChange={(name) => setQuery({ queue: name })} />
          <RangeChoice range={range} />
        </>
      }
    >
      {queue && <Content queue={queue} range={range} />}
      {!queue && (overview ? <Card><Empty icon={ChartLine} title="There is no queue yet" /></Card> : <Loading rows={6} />)}
    </Page>
  );
}

function busiestOf(queues: Record<string, { name: string; completed_per_minute: number; failed_per_minute: number }> | undefined): string | null {
  const all = Object.values(queues ?? {});
  all.sort((one, other) => other.completed_per_minute + other.failed_per_minute - one.completed_per_minute - one.failed_per_minute || one.name.localeCompare(other.name));
  return all[0]?.name ?? null;
}

function RangeChoice({ range }: { range: Range }) {
  return <Choices label="Time" options={RANGES} value={range.value} onChange={(value: number) => setQuery({ minutes: value === 60 ? null : value })} />;
}

function Content({ queue, range }: { queue: string; range: Range }) {
  const { data, error, reload } = useResource(
    (signal) => api.get<Metrics>(`api/metrics/${segment(queue)}`, { query: { minutes: range.value }, signal }),
    [queue, range.value],
    { every: REFRESH },
  );
  const slots = useMemo(() => slotsOf(data?.points ?? [], range, Date.now()), [data, range]);
  const times = useMemo(() => slots.map(({ time }) => time), [slots]);
  if (error && !data) return <ErrorBox error={error} retry={reload} />;
  if (!data) return <Loading rows={8} />;
  return (
    <>
      {error && <ErrorBox error={error} retry={reload} />}
      <Figures metrics={data} queue={queue} range={range} />
      <p class="metrics-source">{sourceOf(data)}</p>
      <div class="charts">
        <Throughput slots={slots} times={times} range={range} retried={data.counted?.retried ?? 0} />
        <Depth slots={slots} times={times} range={range} />
        <Times title="Run time" what="A job ran" of={({ run }) => run} slots={slots} times={times} range={range} />
        <Times title="Wait time" what="A job waited" of={({ wait }) => wait} slots={slots} times={times} range={range} />
        {data.heat && <Heat title="Spread of run times" verb="ran" which="run" map={data.heat} range={range} />}
        {data.heat && <Heat title="Spread of wait times" verb="waited" which="wait" map={data.heat} range={range} />}
      </div>
      <ByName metrics={data} queue={queue} />
    </>
  );
}

interface ChartPart {
  slots: readonly Slot[];
  times: readonly number[];
  range: Range;
}

/** Whether the numbers are exact. */
function sourceOf({ points }: Metrics): string {
  const busy = points.filter(({ completed, failed }) => completed + failed > 0);
  const exact = busy.filter((point) => point.exact);
  if (exact.length === 0) return "Times are those of a sample: at most 200 jobs a minute that were still there when the minute was over.";
  const counted = "Counted by the workers, every job; times are at most 10% off.";
  return exact.length === busy.length ? counted : `${counted} In ${plural(busy.length - exact.length, "minute")} of ${formatNumber(busy.length)} from a sample, for workers of other libraries took part.`;
}

function Throughput({ slots, times, range, retried }: ChartPart & { retried: number }) {
  const completed = total(slots, (slot) => slot.completed) * range.bucket;
  const failed = total(slots, (slot) => slot.failed) * range.bucket;
  const peak = Math.max(0, ...slots.map((slot) => slot.completed + slot.failed));
  const series = useMemo(
    () => [
      { label: "Failed", color: "--chart-failed", values: slots.map((slot) => slot.failed) },
      { label: "Completed", color: "--chart-completed", values: slots.map((slot) => slot.completed) },
    ],
    [slots],
  );
  const summary = `${plural(Math.round(completed), "job")} completed and ${formatNumber(Math.round(failed))} failed (${formatPercent(failed, completed + failed)}) in ${range.words}${retried > 0 ? `, and ${plural(retried, "run")} to be tried again` : ""}; at most ${formatRate(peak)} a minute.`;
  return <Chart title="Throughput, jobs a minute" kind="stacked" summary={summary} times={times} series={series} format={formatRate} />;
}

function Depth({ slots, times, range }: ChartPart) {
  const series = useMemo(
    () => [
      { label: "Waiting", color: "--state-waiting", values: slots.map(({ waiting }) => waiting) },
      { label: "Active", color: "--state-active", values: slots.map(({ active }) => active) },
    ],
    [slots],
  );
  const known = slots.filter(({ waiting }) => waiting !== null);
  const peak = Math.max(0, ...known.map(({ waiting }) => waiting ?? 0));
  const latest = known[known.length - 1];
  const summary = latest
    ? `${plural(latest.waiting ?? 0, "job")} waiting and ${formatNumber(latest.active)} active at the end; at most ${formatNumber(peak)} waiting in ${range.words}.`
    : "Recorded by oxmq workers once a minute.";
  return (
    <Chart title="Depth, jobs" kind="lines" summary={summary} times={times} series={series} format={(value) => formatShort(Math.round(value))}
      empty={latest ? "The queue was empty." : undefined} />
  );
}

function Times({ title, what, of, slots, times, range }: ChartPart & { title: string; what: string; of: (slot: Slot) => Percentiles }) {
  const series = useMemo(
    () => [
      { label: "p50", color: "--state-active", values: slots.map((slot) => of(slot).p50) },
      { label: "p95", color: "--state-prioritized", values: slots.map((slot) => of(slot).p95) },
      { label: "p99", color: "--state-delayed", values: slots.map((slot) => of(slot).p99) },
    ],
    [slots],
  );
  const latest = slots.findLast((slot) => of(slot).p50 !== null);
  const worst = Math.max(0, ...slots.map((slot) => of(slot).p99 ?? 0));
  const summary = latest
    ? `${what} for ${formatDuration(of(latest).p50)} in half of the cases, in 1 of 20 for more than ${formatDuration(of(latest).p95)}; the highest p99 of ${range.words} was ${formatDuration(worst)}.`
    : "Written down by oxmq workers once a minute.";
  return <Chart title={title} kind="lines" summary={summary} times={times} series={series} format={formatDuration} />;
}

function Figures({ metrics, queue, range }: { metrics: Metrics; queue: string; range: Range }) {
  const { completed_run: recentRun, wait: recentWait } = metrics.recent;
  const { run, wait } = metrics.counted ?? { run: recentRun, wait: recentWait };
  const whose = metrics.counted ? range.words : "the last 500 jobs";
  return (
    <dl class="figures">
      <Figure label="Run time" note={`of ${whose}; p95 ${formatDuration(run.p95)}`}>{formatDuration(run.p50)}</Figure>
      <Figure label="Slowest 1%" note="run time, p99">{formatDuration(run.p99)}</Figure>
      <Figure label="Wait time" note={`p95 ${formatDuration(wait.p95)}`}>{formatDuration(wait.p50)}</Figure>
      <Figure label="Longest 1%" note="wait time, p99" href={to.jobs(queue, { state: "waiting" })}>{formatDuration(wait.p99)}</Figure>
      {metrics.kept && (
        <Figure label="Completed in all" note={`${formatNumber(metrics.kept.failed)} failed, by BullMQ's metrics`}>{formatShort(metrics.kept.completed)}</Figure>
      )}
    </dl>
  );
}

type Named = Metrics["recent"]["by_name"][number];

function ByName({ metrics, queue }: { metrics: Metrics; queue: string }) {
  const rows = metrics.recent.by_name;
  const most = Math.max(1, ...rows.map(({ count }) => count));
  const columns: readonly Column<Named>[] = [
    { id: "name", title: "Name", main: true, cell: ({ name }) => <a href={to.jobs(queue, { state: "completed", search: `name:${quoted(name)}` })}>{name}</a> },
    {
      id: "count", title: "Recent jobs", cell: ({ count }) => (
        <span class="share-bar"><span style={{ width: `${(count / most) * 100}%` }} /><b class="number">{formatNumber(count)}</b></span>
      ),
    },
    { id: "failed", title: "Failed", align: "end", cell: ({ name, failed, count }) => (failed === 0 ? <span class="faint">0</span> : <a class="danger-text" href={to.jobs(queue, { state: "failed", search: `name:${quoted(name)}` })}>{formatNumber(failed)} ({formatPercent(failed, count)})</a>) },
    { id: "p50", title: "Run p50", align: "end", cell: ({ run_p50 }) => <Duration seconds={run_p50} /> },
    { id: "p95", title: "Run p95", align: "end", cell: ({ run_p95 }) => <Duration seconds={run_p95} /> },
  ];
  if (rows.length === 0) return null;
  return (
    <Card flush title="By name">
      <Table label="Recent jobs by name" columns={columns} rows={rows} rowKey={({ name }) => name} />
    </Card>
  );
}

function quoted(text: string): string {
  return /[\s"]/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text;
}

function total(slots: readonly Slot[], of: (slot: Slot) => number): number {
  return slots.reduce((sum, slot) => sum + of(slot), 0);
}
