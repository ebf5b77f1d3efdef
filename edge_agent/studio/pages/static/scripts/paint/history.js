// What was done, a stroke at a time, and what was taken back.

import { apply, invert } from "./labelmap.js";

const MOST = 200;
// bytes of what is remembered: one that fills a picture of 4096 x 4096 has 32 MiB
const MOST_BYTES = 256 * 2 ** 20;

const bytesOf = ({ tiles }) => [...tiles.values()].reduce((sum, { before, after }) => sum + before.length + after.length, 0);

export class History {
  constructor() {
    this.forget();
  }

  forget() {
    this.done = [];
    this.undone = [];
    this.bytes = 0;
  }

  push(change) {
    if (!change) return;
    this.done.push(change);
    this.bytes += bytesOf(change);
    this.undone = [];
    while (this.done.length > MOST || (this.bytes > MOST_BYTES && this.done.length > 1)) this.bytes -= bytesOf(this.done.shift());
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  // Take the last change back, and return what was done for it: another change, already made; null for nothing to take back.
  undo(map) {
    const change = this.done.pop();
    if (!change) return null;
    this.bytes -= bytesOf(change);
    this.undone.push(change);
    return made(map, invert(change));
  }

  redo(map) {
    const change = this.undone.pop();
    if (!change) return null;
    this.bytes += bytesOf(change);
    this.done.push(change);
    return made(map, change);
  }
}

function made(map, change) {
  apply(map, change);
  return change;
}
