// What a hand does to a label map, without a browser: `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

const scripts = process.env.SCRIPTS;
const { LabelMap, Recorder, apply, invert } = await import(`${scripts}/paint/labelmap.js`);
const { History } = await import(`${scripts}/paint/history.js`);
const { clear, fill, fillHoles, line, polygon, replace, wand } = await import(`${scripts}/paint/strokes.js`);
const { layout, moved, place, visible } = await import(`${scripts}/grid/layout.js`);
const { NONE, extended, only, toggled } = await import(`${scripts}/grid/selection.js`);

const count = (map, label) => map.data.reduce((sum, value) => sum + (value === label), 0);
const at = (map, x, y) => map.data[y * map.width + x];

test("a dot of a brush is a disc around the pixel", () => {
  const map = new LabelMap(41, 41);
  const rect = line(map, new Recorder(map), { x: 20.5, y: 20.5 }, { x: 20.5, y: 20.5 }, 10, 1);
  let expected = 0;
  for (let y = 0; y < 41; y += 1) for (let x = 0; x < 41; x += 1) expected += (x - 20) ** 2 + (y - 20) ** 2 <= 100;
  assert.equal(count(map, 1), expected);
  assert.ok(rect.left <= 10 && rect.right >= 31);
});

test("a line is its ends and all between, and what is outside the picture is cut", () => {
  const map = new LabelMap(100, 30);
  line(map, new Recorder(map), { x: -20, y: 15 }, { x: 120, y: 15 }, 3, 2);
  for (let x = 0; x < 100; x += 1) assert.equal(at(map, x, 15), 2);
  assert.equal(count(map, 2), 600);
  assert.equal(line(map, new Recorder(map), { x: -50, y: -50 }, { x: -40, y: -40 }, 3, 2), null);
});

test("a line has exactly the pixels whose centre is near enough, however it lies, and remembers what it touched", () => {
  let seed = 7;
  const random = (most) => { seed = (seed * 48271) % 2147483647; return (seed / 2147483647) * most; };
  for (let round = 0; round < 60; round += 1) {
    const map = new LabelMap(150, 130);
    const recorder = new Recorder(map);
    const [from, to] = [0, 1].map(() => ({ x: random(190) - 20, y: random(170) - 20 }));
    if (round % 10 === 0) to.y = from.y;
    if (round % 10 === 1) to.x = from.x;
    const radius = 0.75 + random(30);
    line(map, recorder, from, to, radius, 1);
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    for (let y = 0; y < map.height; y += 1) {
      for (let x = 0; x < map.width; x += 1) {
        const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
        const along = Math.min(1, Math.max(0, (px * dx + py * dy) / (dx * dx + dy * dy)));
        const near = (px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius;
        assert.equal(at(map, x, y), near ? 1 : 0, `${round}: ${x}, ${y}`);
      }
    }
    const drawn = new LabelMap(150, 130);
    for (const rect of recorder.takeUndrawn()) for (let y = rect.top; y < rect.bottom; y += 1) drawn.data.fill(1, y * 150 + rect.left, y * 150 + rect.right);
    assert.ok(map.data.every((value, place) => !value || drawn.data[place]));
    assert.deepEqual(recorder.takeUndrawn(), []);
    const change = recorder.finish();
    if (change) apply(map, invert(change));
    assert.ok(map.isEmpty);
  }
});

test("what is remembered to be taken back is bounded", () => {
  const map = new LabelMap(64, 64);
  const history = new History();
  const large = { tiles: new Map([[0, { before: { length: 100 * 2 ** 20 }, after: { length: 0 } }]]) };
  for (let number = 0; number < 5; number += 1) history.push(large);
  assert.equal(history.done.length, 2);
  history.forget();
  assert.equal(history.undo(map), null);
});

test("the thinnest brush marks every pixel that it goes through", () => {
  const map = new LabelMap(20, 20);
  line(map, new Recorder(map), { x: 0.5, y: 0.5 }, { x: 19.5, y: 19.5 }, 0.5, 1);
  for (let x = 0; x < 20; x += 1) assert.equal(at(map, x, x), 1);
});

test("undo and redo give back every pixel, a stroke at a time", () => {
  const map = new LabelMap(200, 150);
  const history = new History();
  const states = [map.data.slice()];
  for (let number = 0; number < 12; number += 1) {
    const recorder = new Recorder(map);
    line(map, recorder, { x: number * 15, y: 20 }, { x: 190 - number * 10, y: 140 }, 6, (number % 3) + 1);
    line(map, recorder, { x: 10, y: number * 10 }, { x: 100, y: 75 }, 4, 0);
    history.push(recorder.finish());
    states.push(map.data.slice());
  }
  for (let number = 11; number >= 0; number -= 1) {
    assert.ok(history.undo(map));
    assert.deepEqual(map.data, states[number]);
  }
  assert.equal(history.undo(map), null);
  for (let number = 1; number <= 12; number += 1) {
    history.redo(map);
    assert.deepEqual(map.data, states[number]);
  }
  assert.equal(history.canRedo, false);
});

test("a stroke that changes nothing is no step, and a new stroke forgets what was taken back", () => {
  const map = new LabelMap(64, 64);
  const history = new History();
  const recorder = new Recorder(map);
  line(map, recorder, { x: 10, y: 10 }, { x: 20, y: 20 }, 5, 0);
  history.push(recorder.finish());
  assert.equal(history.canUndo, false);
  const first = new Recorder(map);
  fill(map, first, { x: 3, y: 3 }, 1);
  history.push(first.finish());
  history.undo(map);
  const second = new Recorder(map);
  line(map, second, { x: 10, y: 10 }, { x: 20, y: 20 }, 5, 2);
  history.push(second.finish());
  assert.equal(history.canRedo, false);
});

test("a change and its inverse", () => {
  const map = new LabelMap(130, 70);
  const recorder = new Recorder(map);
  polygon(map, recorder, [{ x: 5, y: 5 }, { x: 120, y: 10 }, { x: 60, y: 65 }], 3);
  const change = recorder.finish();
  const after = map.data.slice();
  apply(map, invert(change));
  assert.ok(map.isEmpty);
  apply(map, change);
  assert.deepEqual(map.data, after);
});

test("a polygon has the pixels whose centres lie inside", () => {
  const map = new LabelMap(50, 50);
  polygon(map, new Recorder(map), [{ x: 10, y: 10 }, { x: 30, y: 10 }, { x: 30, y: 20 }, { x: 10, y: 20 }], 1);
  assert.equal(count(map, 1), 200);
  assert.equal(at(map, 10, 10), 1);
  assert.equal(at(map, 30, 10), 0);
  assert.equal(polygon(map, new Recorder(map), [{ x: 1, y: 1 }, { x: 9, y: 9 }], 1), null);
});

test("new paint takes the place of another label, and the eraser leaves nothing", () => {
  const map = new LabelMap(40, 40);
  line(map, new Recorder(map), { x: 20, y: 20 }, { x: 20, y: 20 }, 12, 1);
  line(map, new Recorder(map), { x: 20, y: 20 }, { x: 20, y: 20 }, 12, 2);
  assert.equal(count(map, 1), 0);
  line(map, new Recorder(map), { x: 20, y: 20 }, { x: 20, y: 20 }, 12, 0);
  assert.ok(map.isEmpty);
});

test("fill stays inside what is painted around it", () => {
  const map = new LabelMap(60, 60);
  for (const [from, to] of [[[10, 10], [50, 10]], [[50, 10], [50, 50]], [[50, 50], [10, 50]], [[10, 50], [10, 10]]]) {
    line(map, new Recorder(map), { x: from[0], y: from[1] }, { x: to[0], y: to[1] }, 1.5, 1);
  }
  fill(map, new Recorder(map), { x: 30, y: 30 }, 2);
  assert.equal(at(map, 30, 30), 2);
  assert.equal(at(map, 2, 2), 0);
  assert.equal(at(map, 10, 30), 1);
});

test("holes are closed, and only those that one label surrounds", () => {
  const map = new LabelMap(90, 40);
  for (const x of [20, 60]) {
    line(map, new Recorder(map), { x, y: 20 }, { x, y: 20 }, 15, 1);
    line(map, new Recorder(map), { x, y: 20 }, { x, y: 20 }, 8, 0);
  }
  line(map, new Recorder(map), { x: 60, y: 5 }, { x: 60, y: 13 }, 2, 2); // the second ring is not of one label
  const before = count(map, 1);
  const rect = fillHoles(map, new Recorder(map), 1);
  assert.ok(rect);
  assert.equal(at(map, 20, 20), 1);
  assert.equal(at(map, 60, 20), 0);
  assert.equal(at(map, 0, 0), 0);
  assert.ok(count(map, 1) > before);
});

test("the wand takes what looks alike and hangs together", () => {
  const map = new LabelMap(10, 10);
  const pixels = new Uint8ClampedArray(400).fill(255);
  for (const [x, y, value] of [[2, 2, 100], [3, 2, 110], [4, 2, 140], [8, 8, 100]]) pixels.fill(value, (y * 10 + x) * 4, (y * 10 + x) * 4 + 3);
  wand(map, new Recorder(map), pixels, { x: 2.5, y: 2.5 }, 20, 1);
  assert.deepEqual([at(map, 2, 2), at(map, 3, 2), at(map, 4, 2), at(map, 8, 8)], [1, 1, 0, 0]);
});

test("clearing and taking over a map can be taken back", () => {
  const map = new LabelMap(70, 70);
  const history = new History();
  const other = new Uint8Array(4900).fill(2, 100, 900);
  for (const work of [(recorder) => replace(map, recorder, other), (recorder) => clear(map, recorder)]) {
    const recorder = new Recorder(map);
    work(recorder);
    history.push(recorder.finish());
  }
  assert.ok(map.isEmpty);
  history.undo(map);
  assert.deepEqual(map.data, other);
});

test("a map of 4096 x 4096: a stroke segment takes less time than a frame has, in the mean", () => {
  const map = new LabelMap(4096, 4096);
  const recorder = new Recorder(map);
  for (let number = 0; number < 50; number += 1) {
    line(map, recorder, { x: 500 + number * 40, y: 600 }, { x: 540 + number * 40, y: 630 }, 30, 1);
  }
  assert.ok(recorder.before.size < 200, "a stroke remembers the tiles that it touches, not the picture");
});

test("the grid shows what is in sight of ten thousand", () => {
  const grid = layout(1000, 10_000);
  assert.equal(grid.columns, 5);
  const seen = visible(grid, 10_000, 50_000, 700);
  assert.ok(seen.end - seen.first < 60);
  assert.ok(place(grid, seen.first).top <= 50_000 && place(grid, seen.end).top >= 50_700);
  assert.equal(visible(grid, 3, 0, 700).end, 3);
  assert.equal(moved(grid, 10_000, 7, "ArrowDown", 3), 12);
  assert.equal(moved(grid, 10_000, 7, "End", 3), 9999);
  assert.equal(moved(grid, 10_000, 0, "ArrowLeft", 3), 0);
  assert.equal(moved(grid, 10, 3, "x", 3), null);
});

test("a selection is one, some, or from here to there", () => {
  const one = only(7, 2);
  assert.deepEqual([...toggled(one, 9, 4).ids], [7, 9]);
  assert.deepEqual([...toggled(one, 7, 2).ids], []);
  assert.deepEqual([...extended(one, 5, (index) => (index === 4 ? undefined : index * 10)).ids], [20, 30, 50]);
  assert.deepEqual([...NONE.ids], []);
});
