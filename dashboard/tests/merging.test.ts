import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobPage, JobRow } from "../src/api/types.ts";
import { type Content, merged } from "../src/screens/jobs/merging.ts";

const job = (id: string, progress = 0) => ({ id, progress }) as JobRow;
const page = (ids: string[], cursor: string | null = "more") =>
  ({ jobs: ids.map((id) => job(id, 50)), cursor, total: 9 }) as JobPage;
const shown = (...ids: string[]): Content => ({
  rows: ids.map((id) => job(id)),
  gone: new Set(),
  newer: 0,
  next: null,
  total: 3,
  scanned: 3,
  at: null,
});
const ids = (content: Content) => content.rows.map(({ id }) => id);

test("rows keep their places while newer jobs come", () => {
  const now = merged(shown("3", "2", "1"), page(["5", "4", "3"]));
  assert.deepEqual(ids(now), ["3", "2", "1"]);
  assert.equal(now.newer, 2);
  assert.equal(now.total, 9);
});

test("rows change in place", () => {
  assert.equal(merged(shown("3", "2"), page(["3", "2"])).rows[0]?.progress, 50);
});

test("a row between others that are still there is gone", () => {
  assert.deepEqual([...merged(shown("3", "2", "1"), page(["3", "1"])).gone], ["2"]);
});

test("a row below the fresh page may only have been pushed off it", () => {
  assert.deepEqual([...merged(shown("3", "2", "1"), page(["5", "4", "3"])).gone], []);
});

test("where the fresh page is the whole list, all that it lacks is gone", () => {
  assert.deepEqual([...merged(shown("3", "2", "1"), page(["3"], null)).gone], ["2", "1"]);
});
