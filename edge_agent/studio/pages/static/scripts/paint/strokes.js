// What a hand does to a label map. Each function changes pixels of `map`, tells `recorder` before, and returns the
// rectangle that it has changed, or null.

import { TILE, union } from "./labelmap.js";

// A brush of `radius` pixels, drawn from one point to another: a pixel belongs to it when its centre is not further off.
export function line(map, recorder, from, to, radius, label) {
  const rect = map.clip({
    left: Math.min(from.x, to.x) - radius, top: Math.min(from.y, to.y) - radius,
    right: Math.max(from.x, to.x) + radius + 1, bottom: Math.max(from.y, to.y) + radius + 1,
  });
  if (!rect) return null;
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = dx * dx + dy * dy;
  const reach = radius * radius;
  const isInside = (x, y) => {
    const px = x + 0.5 - from.x;
    const py = y + 0.5 - from.y;
    const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
    const offX = px - along * dx;
    const offY = py - along * dy;
    return offX * offX + offY * offY <= reach;
  };
  // A row of tiles at a time: of a long stroke across, most of the rectangle around it is not touched.
  for (let top = rect.top; top < rect.bottom; top = Math.min(rect.bottom, (Math.floor(top / TILE) + 1) * TILE)) {
    const bottom = Math.min(rect.bottom, (Math.floor(top / TILE) + 1) * TILE);
    const spans = [];
    for (let y = top; y < bottom; y += 1) {
      // The shape is convex, so that a row of it is one piece: its ends are near those that geometry gives.
      const ends = across(from, to, radius, y + 0.5);
      if (!ends) continue;
      let left = Math.max(rect.left, Math.floor(ends.left - 0.5) - 1);
      let right = Math.min(rect.right, Math.ceil(ends.right - 0.5) + 2);
      while (left < right && !isInside(left, y)) left += 1;
      while (left < right && !isInside(right - 1, y)) right -= 1;
      if (left < right) spans.push({ y, left, right });
    }
    if (!spans.length) continue;
    recorder.touch({ left: Math.min(...spans.map((span) => span.left)), right: Math.max(...spans.map((span) => span.right)), top, bottom });
    for (const { y, left, right } of spans) map.data.fill(label, y * map.width + left, y * map.width + right);
  }
  // A brush thinner than a pixel still marks the pixels that it goes through.
  if (radius < 0.75) {
    recorder.touch(rect);
    const steps = Math.max(1, Math.ceil(Math.sqrt(length) * 2));
    for (let step = 0; step <= steps; step += 1) {
      const x = Math.floor(from.x + (dx * step) / steps);
      const y = Math.floor(from.y + (dy * step) / steps);
      if (x >= rect.left && x < rect.right && y >= rect.top && y < rect.bottom) map.data[y * map.width + x] = label;
    }
  }
  return rect;
}

// Where a horizontal line enters and leaves what lies within `radius` of a line: two discs, and the band between them.
function across(from, to, radius, y) {
  let left = Infinity;
  let right = -Infinity;
  const take = (x) => { left = Math.min(left, x); right = Math.max(right, x); };
  for (const end of [from, to]) {
    const off = radius * radius - (y - end.y) * (y - end.y);
    if (off < 0) continue;
    take(end.x - Math.sqrt(off));
    take(end.x + Math.sqrt(off));
  }
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  if (length) {
    const aside = { x: (-(to.y - from.y) / length) * radius, y: ((to.x - from.x) / length) * radius };
    for (const side of [1, -1]) {
      const one = { x: from.x + side * aside.x, y: from.y + side * aside.y };
      const other = { x: to.x + side * aside.x, y: to.y + side * aside.y };
      if ((one.y <= y) !== (other.y <= y)) take(one.x + ((y - one.y) / (other.y - one.y)) * (other.x - one.x));
    }
  }
  return left <= right ? { left, right } : null;
}

// The inside of a polygon by the even-odd rule: a pixel belongs to it when its centre does.
export function polygon(map, recorder, points, label) {
  if (points.length < 3) return null;
  const rect = map.clip({
    left: Math.min(...points.map((p) => p.x)), top: Math.min(...points.map((p) => p.y)),
    right: Math.max(...points.map((p) => p.x)) + 1, bottom: Math.max(...points.map((p) => p.y)) + 1,
  });
  if (!rect) return null;
  recorder.touch(rect);
  for (let y = rect.top; y < rect.bottom; y += 1) {
    const middle = y + 0.5;
    const crossings = [];
    for (let at = 0; at < points.length; at += 1) {
      const one = points[at];
      const other = points[(at + 1) % points.length];
      if ((one.y <= middle) !== (other.y <= middle)) {
        crossings.push(one.x + ((middle - one.y) / (other.y - one.y)) * (other.x - one.x));
      }
    }
    crossings.sort((a, b) => a - b);
    for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
      const left = Math.max(rect.left, Math.ceil(crossings[pair] - 0.5));
      const right = Math.min(rect.right - 1, Math.floor(crossings[pair + 1] - 0.5));
      if (left <= right) map.data.fill(label, y * map.width + left, y * map.width + right + 1);
    }
  }
  return rect;
}

// Find what hangs together with a pixel, where `same(index)` says of a pixel whether it belongs to it; four neighbours.
// What was found stands as 2 in `seen`, which may be that of earlier searches.
export function region(width, height, x, y, same, seen = new Uint8Array(width * height)) {
  const start = y * width + x;
  if (!same(start)) return { seen, rect: null };
  const stack = [start];
  seen[start] = 1;
  const rect = { left: x, top: y, right: x + 1, bottom: y + 1 };
  while (stack.length) {
    let at = stack.pop();
    const row = Math.floor(at / width) * width;
    while (at > row && !seen[at - 1] && same(at - 1)) at -= 1;
    let above = false;
    let below = false;
    for (; at < row + width && (seen[at] === 1 || same(at)); at += 1) {
      if (seen[at] === 2) break;
      seen[at] = 2;
      const column = at - row;
      rect.left = Math.min(rect.left, column);
      rect.right = Math.max(rect.right, column + 1);
      above = look(at - width, row > 0, above);
      below = look(at + width, row + width < width * height, below);
    }
    rect.top = Math.min(rect.top, row / width);
    rect.bottom = Math.max(rect.bottom, row / width + 1);
  }
  return { seen, rect };

  function look(neighbour, exists, inRun) {
    if (!exists || seen[neighbour] || !same(neighbour)) return false;
    if (!inRun) {
      seen[neighbour] = 1;
      stack.push(neighbour);
    }
    return true;
  }
}

function put(map, recorder, found, label) {
  if (!found.rect) return null;
  recorder.touch(found.rect);
  forEach(map, found, (at) => { map.data[at] = label; });
  return found.rect;
}

// Give the area of one label that hangs together around a point another label.
export function fill(map, recorder, point, label) {
  const x = Math.floor(point.x);
  const y = Math.floor(point.y);
  if (x < 0 || y < 0 || x >= map.width || y >= map.height) return null;
  const was = map.data[y * map.width + x];
  if (was === label) return null;
  return put(map, recorder, region(map.width, map.height, x, y, (at) => map.data[at] === was), label);
}

// Mark what hangs together around a point and looks like it: no channel further off than `tolerance` (0 to 255).
// `pixels` is RGBA of the picture's size.
export function wand(map, recorder, pixels, point, tolerance, label) {
  const x = Math.floor(point.x);
  const y = Math.floor(point.y);
  if (x < 0 || y < 0 || x >= map.width || y >= map.height) return null;
  const start = (y * map.width + x) * 4;
  const [red, green, blue] = [pixels[start], pixels[start + 1], pixels[start + 2]];
  const alike = (at) => {
    const p = at * 4;
    return Math.abs(pixels[p] - red) <= tolerance && Math.abs(pixels[p + 1] - green) <= tolerance
      && Math.abs(pixels[p + 2] - blue) <= tolerance;
  };
  return put(map, recorder, region(map.width, map.height, x, y, alike), label);
}

// Give `label` to every unmarked area that is surrounded by that label.
export function fillHoles(map, recorder, label) {
  const { width, height, data } = map;
  const seen = new Uint8Array(width * height);
  let changed = null;
  for (let at = 0; at < data.length; at += 1) {
    if (data[at] !== 0 || seen[at]) continue;
    const found = region(width, height, at % width, Math.floor(at / width), (place) => data[place] === 0, seen);
    if (isEnclosed(map, found, label)) changed = union(changed, put(map, recorder, found, label));
    forEach(map, found, (place) => { seen[place] = 3; });
  }
  return changed;
}

function forEach(map, { rect, seen }, work) {
  for (let y = rect.top; y < rect.bottom; y += 1) {
    for (let at = y * map.width + rect.left; at < y * map.width + rect.right; at += 1) if (seen[at] === 2) work(at);
  }
}

function isEnclosed(map, found, label) {
  const { width, height, data } = map;
  const { rect } = found;
  if (rect.left === 0 || rect.top === 0 || rect.right === width || rect.bottom === height) return false;
  let enclosed = true;
  forEach(map, found, (at) => {
    for (const next of [at - 1, at + 1, at - width, at + width]) {
      if (data[next] !== 0 && data[next] !== label) enclosed = false;
    }
  });
  return enclosed;
}

// Unmark everything.
export function clear(map, recorder) {
  const rect = { left: 0, top: 0, right: map.width, bottom: map.height };
  recorder.touch(rect);
  map.data.fill(0);
  return rect;
}

// Take over another map of the same size.
export function replace(map, recorder, data) {
  const rect = { left: 0, top: 0, right: map.width, bottom: map.height };
  recorder.touch(rect);
  map.data.set(data);
  return rect;
}
