// A mask as pure data: one byte a pixel, 0 is nothing, i the i-th label. A change knows what was there before and after,
// so that it can be taken back and made again. Nothing here knows of a page.

export const TILE = 64;

export class LabelMap {
  constructor(width, height, data = new Uint8Array(width * height)) {
    if (data.length !== width * height) throw new RangeError(`${data.length} bytes, expected ${width} x ${height}`);
    this.width = width;
    this.height = height;
    this.data = data;
    this.columns = Math.ceil(width / TILE);
  }

  get isEmpty() {
    for (let at = 0; at < this.data.length; at += 1) if (this.data[at]) return false;
    return true;
  }

  // Copy a tile's pixels.
  readTile(number) {
    const { left, top, right, bottom } = this.tileRect(number);
    const copy = new Uint8Array((right - left) * (bottom - top));
    for (let y = top, at = 0; y < bottom; y += 1, at += right - left) {
      copy.set(this.data.subarray(y * this.width + left, y * this.width + right), at);
    }
    return copy;
  }

  writeTile(number, pixels) {
    const { left, top, right, bottom } = this.tileRect(number);
    for (let y = top, at = 0; y < bottom; y += 1, at += right - left) {
      this.data.set(pixels.subarray(at, at + right - left), y * this.width + left);
    }
  }

  tileRect(number) {
    const left = (number % this.columns) * TILE;
    const top = Math.floor(number / this.columns) * TILE;
    return { left, top, right: Math.min(left + TILE, this.width), bottom: Math.min(top + TILE, this.height) };
  }

  // The rectangles of some tiles; those of tiles beside each other are one.
  rectsOf(numbers) {
    const rects = [];
    for (const number of [...numbers].sort((one, other) => one - other)) {
      const rect = this.tileRect(number);
      const last = rects.at(-1);
      if (last && last.right === rect.left && last.top === rect.top) last.right = rect.right;
      else rects.push(rect);
    }
    return rects;
  }

  // Cut a rectangle to the map; null for nothing.
  clip(rect) {
    const left = Math.max(0, Math.floor(rect.left));
    const top = Math.max(0, Math.floor(rect.top));
    const right = Math.min(this.width, Math.ceil(rect.right));
    const bottom = Math.min(this.height, Math.ceil(rect.bottom));
    return left < right && top < bottom ? { left, top, right, bottom } : null;
  }
}

// Remembers the tiles that a stroke touches, as they were before it, and which of them have not been drawn.
export class Recorder {
  constructor(map) {
    this.map = map;
    this.before = new Map();
    this.undrawn = new Set();
  }

  // Give the rectangles to be drawn.
  takeUndrawn() {
    const rects = this.map.rectsOf(this.undrawn);
    this.undrawn = new Set();
    return rects;
  }

  // To be called before pixels of `rect` are changed.
  touch(rect) {
    const { columns } = this.map;
    for (let row = Math.floor(rect.top / TILE); row <= Math.floor((rect.bottom - 1) / TILE); row += 1) {
      for (let column = Math.floor(rect.left / TILE); column <= Math.floor((rect.right - 1) / TILE); column += 1) {
        const number = row * columns + column;
        this.undrawn.add(number);
        if (!this.before.has(number)) this.before.set(number, this.map.readTile(number));
      }
    }
  }

  // Return the change, null if nothing has changed.
  finish() {
    const tiles = new Map();
    for (const [number, before] of this.before) {
      const after = this.map.readTile(number);
      if (differ(before, after)) tiles.set(number, { before, after });
    }
    this.before = new Map();
    return tiles.size ? { tiles } : null;
  }
}

function differ(one, other) {
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return true;
  return false;
}

export function invert(change) {
  const tiles = new Map();
  for (const [number, { before, after }] of change.tiles) tiles.set(number, { before: after, after: before });
  return { tiles };
}

// Make a change, and return the rectangle that has to be drawn again.
export function apply(map, change) {
  let dirty = null;
  for (const [number, { after }] of change.tiles) {
    map.writeTile(number, after);
    dirty = union(dirty, map.tileRect(number));
  }
  return dirty;
}

export function union(one, other) {
  if (!one) return other;
  if (!other) return one;
  return {
    left: Math.min(one.left, other.left), top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right), bottom: Math.max(one.bottom, other.bottom),
  };
}
