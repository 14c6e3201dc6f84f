import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeatMap } from "../src/api/types.ts";
import { heatLayout } from "../src/screens/metrics/heat.ts";

const NOW = Date.parse("2026-01-01T01:00:30Z");

function map(columns: HeatMap["columns"], step = 60): HeatMap {
  return { step, bounds: [0.127, 0.255, 0.511], columns };
}

test("the longest times are at the top, and rows without any job are left out at the ends", () => {
  const layout = heatLayout(map([{ at: "2026-01-01T00:59:00Z", run: [4, 1, 0], wait: [0, 0, 2] }]), "run", 60, NOW);
  assert.deepEqual(layout.rows.map(({ label, total }) => [label, total]), [["128 ms +", 1], ["≤ 127 ms", 4]]);
  assert.equal(layout.total, 5);
  assert.deepEqual(heatLayout(map([{ at: "2026-01-01T00:59:00Z", run: [4, 1, 0], wait: [0, 0, 2] }]), "wait", 60, NOW).rows.length, 1);
});

test("columns lie where their time is, the one that is going on at the right", () => {
  const columns = ["2026-01-01T00:01:00Z", "2026-01-01T01:00:00Z"].map((at) => ({ at, run: [1, 0, 0], wait: [0, 0, 0] }));
  const layout = heatLayout(map(columns), "run", 60, NOW);
  assert.equal(layout.times.length, 60);
  assert.deepEqual(layout.rows[0]?.cells.map(({ column }) => column), [0, 59]);
  assert.equal(layout.times[59], Date.parse("2026-01-01T01:00:00Z") / 1000);
});

test("a time before the range is left out", () => {
  const layout = heatLayout(map([{ at: "2026-01-01T00:00:00Z", run: [1, 0, 0], wait: [0, 0, 0] }]), "run", 60, NOW);
  assert.deepEqual([layout.rows, layout.total], [[], 0]);
});

test("many are shown stronger than few, and one can still be seen", () => {
  const layout = heatLayout(map([{ at: "2026-01-01T01:00:00Z", run: [1000, 1, 0], wait: [0, 0, 0] }]), "run", 60, NOW);
  const [slow, quick] = layout.rows.map(({ cells }) => cells[0]!.strength);
  assert.equal(quick, 1);
  assert.ok(slow! > 0.15 && slow! < 0.5);
});

test("over a long time each column is as long as the map says", () => {
  const layout = heatLayout(map([{ at: "2026-01-01T00:48:00Z", run: [1, 0, 0], wait: [0, 0, 0] }], 24 * 60), "run", 1440, NOW);
  assert.equal(layout.times.length, 60);
  assert.equal(layout.rows[0]?.cells[0]?.column, 59);
});
