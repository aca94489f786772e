import assert from "node:assert/strict";
import { test } from "node:test";
import { createBackoff } from "../src/restart";

test("each end waits twice as long, and the sixth is the last", () => {
  const delay = createBackoff();
  const now = [0, 2, 5, 10, 19, 36].map((second) => second * 1000);
  assert.deepEqual(now.map(delay), [1000, 2000, 4000, 8000, 16000, undefined]);
});

test("ends that lie three minutes apart are forgotten", () => {
  const delay = createBackoff();
  for (let minute = 0; minute < 60; minute += 4) assert.equal(delay(minute * 60_000), 1000);
});
