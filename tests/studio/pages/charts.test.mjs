// The charts' pure parts.
import assert from "node:assert/strict";
import { test } from "node:test";

const { cumulated, labelled, linear, runs, ticks } = await import(`${process.env.SCRIPTS}/charts/scale.js`);

test("an axis names round values and ends at or above the highest", () => {
  assert.deepEqual(ticks(0.05), [0, 0.02, 0.04, 0.06]);
  assert.deepEqual(ticks(100), [0, 25, 50, 75, 100]);
  assert.deepEqual(ticks(0), [0, 1]);
});
test("values get their places, and one value is no division by zero", () => {
  assert.equal(linear(0, 10, 100, 0)(5), 50);
  assert.equal(linear(3, 3, 7, 9)(3), 7);
});
test("an empty period is a gap", () => {
  const points = [1, 2, 0, 3, 0, 0, 4].map((total) => ({ total }));
  assert.deepEqual(runs(points, (point) => point.total).map((run) => run.map((point) => point.total)), [[1, 2], [3], [4]]);
});
test("labels do not touch each other", () => {
  assert.deepEqual(labelled(10, 500, 100), [0, 2, 4, 6, 8]);
  assert.deepEqual(labelled(0, 500, 100), []);
});
test("shares add up to one", () => {
  assert.deepEqual(cumulated([6, 3, 1]), [0.6, 0.9, 1]);
  assert.deepEqual(cumulated([]), []);
});
