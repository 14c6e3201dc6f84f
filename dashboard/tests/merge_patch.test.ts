import assert from "node:assert/strict";
import { test } from "node:test";
import { mergePatch } from "../src/api/merge_patch.ts";
import { withNulls } from "../src/api/nulls.ts";

test("members are added, changed and taken out", () => {
  assert.deepEqual(mergePatch({ a: 1, b: { c: 2, d: 3 } }, { b: { c: 4, d: null }, e: [5] }), {
    a: 1,
    b: { c: 4 },
    e: [5],
  });
});

test("lists and values are replaced as a whole", () => {
  assert.deepEqual(mergePatch({ a: [1, 2] }, { a: [3] }), { a: [3] });
  assert.deepEqual(mergePatch({ a: 1 }, { a: { b: null, c: 2 } }), { a: { c: 2 } });
});

test("what is not touched stays the same object", () => {
  const before = { a: { x: 1 }, b: { y: 1 } };
  const after = mergePatch(before, { b: { y: 2 } }) as typeof before;
  assert.equal(after.a, before.a);
  assert.equal(before.b.y, 1);
});

test("a member that became null is null again, and whole values are left alone", () => {
  const limits = { concurrency: 1, rate_max: 1, rate_duration: 1, held_for: 0 };
  const queue = { latency: 1, workers: 2, version: "v", limits };
  assert.equal((withNulls("queue:a", mergePatch(queue, { latency: null })) as { latency: unknown }).latency, null);
  assert.deepEqual(withNulls("queue:a", queue), queue);
});
