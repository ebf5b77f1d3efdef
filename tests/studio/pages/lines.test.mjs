// The editor of a line's file, without a page.

import assert from "node:assert/strict";
import test from "node:test";

const { freeName, lineCount, rangeOf, tops, wanted } = await import(`${process.env.SCRIPTS}/lines/editing.js`);

test("a line's place in the text", () => {
  const text = "one\n\nthree";
  assert.equal(lineCount(text), 3);
  assert.deepEqual([1, 2, 3].map((line) => text.slice(...rangeOf(text, line))), ["one", "", "three"]);
  assert.deepEqual(rangeOf("", 1), [0, 0]);
});

test("notes stand beside their lines, and never over each other", () => {
  assert.deepEqual(tops([1, 3, 3, 10], [24, 24, 60, 24], 24), [0, 48, 76, 216]);
  assert.deepEqual(tops([0], [24], 24), [0]);
});

test("what the form asks of the API", () => {
  const values = { name: " gate ", source: "video", folder_place: "/in", video_place: "rtsp://x", cycle_ms: "250", port: "", look_below: "" };
  assert.deepEqual(wanted(values), { name: "gate", source: "video", place: "rtsp://x", cycle_ms: 250, look_below: null });
});

test("a name that is free", () => {
  assert.equal(freeName([]), "line-1");
  assert.equal(freeName(["line-1", "line-3", "gate"]), "line-2");
});
