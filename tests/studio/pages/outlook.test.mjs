// What a training has said, in the page's words.

import assert from "node:assert/strict";
import { test } from "node:test";

const words = { "advice.small": "Seen at {least} pixels.", "advice.tiles": "Cut them.", "resolution.half": "As {half}, too." };
globalThis.document = { documentElement: { lang: "en" }, body: { dataset: { project: "part" } }, addEventListener() {}, querySelector: () => null };
globalThis.fetch = async () => ({ json: async () => words });
const { sentence } = await import(`${process.env.SCRIPTS}/outlook.js`);

test("a sentence is said in the page's words, with its remedy", () => {
  const one = { text: "seen", key: "advice.small", values: { least: "17" }, more: "advice.tiles" };
  assert.equal(sentence(one), "Seen at 17 pixels. Cut them.");
});

test("what follows it has its values", () => {
  const one = { text: "seen", key: "advice.small", values: { least: "17", half: "9x9" }, more: "resolution.half" };
  assert.equal(sentence(one), "Seen at 17 pixels. As 9x9, too.");
});

test("one that the page has no words for is shown as it was said", () => {
  assert.equal(sentence({ text: "paint it blue", key: "advice.paint", values: {}, more: "" }), "paint it blue");
  assert.equal(sentence({ text: "paint it blue", key: "", values: {}, more: "" }), "paint it blue");
  assert.equal(sentence({ text: "seen", key: "advice.small", values: {}, more: "" }), "seen", "an earlier version had no such value");
  assert.equal(sentence({ text: "seen; paint it", key: "advice.small", values: { least: "1" }, more: "advice.paint" }), "seen; paint it");
});
