import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDuration, formatNumber, formatRate, formatRelative, plural } from "../src/format.ts";

test("durations", () => {
  const words = [null, 0, 0.0001, 0.0042, 0.25, 1.234, 59.6, 61, 3600, 7325, 90_061].map(formatDuration);
  assert.deepEqual(words, [
    "–",
    "0 s",
    "<1 ms",
    "4.2 ms",
    "250 ms",
    "1.2 s",
    "60 s",
    "1 min 1 s",
    "1 h",
    "2 h 2 min",
    "1 d 1 h",
  ]);
});

test("numbers", () => {
  assert.deepEqual([undefined, 0, 1204, 1_000_000].map(formatNumber), ["–", "0", "1,204", "1,000,000"]);
  assert.deepEqual([0, 0.001, 0.5, 4.25, 120].map(formatRate), ["0", "<0.01", "0.50", "4.3", "120"]);
  assert.deepEqual([0, 1536, 1024 ** 3].map(formatBytes), ["0 B", "1.5 KiB", "1.0 GiB"]);
  assert.deepEqual(
    [plural(1, "job"), plural(1204, "job"), plural(2, "class", "classes")],
    ["1 job", "1,204 jobs", "2 classes"],
  );
});

test("instants", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(formatRelative("2026-01-01T00:00:00Z", now), "just now");
  assert.equal(formatRelative("2025-12-31T23:59:00Z", now), "1 min ago");
  assert.equal(formatRelative("2026-01-01T02:30:00Z", now), "in 2 h");
  assert.equal(formatRelative("nonsense", now), "–");
});
