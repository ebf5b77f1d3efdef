// What was done, a stroke at a time, and what was taken back.

import { apply, invert } from "./labelmap.js";

const MOST = 200;

export class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  push(change) {
    if (!change) return;
    this.done.push(change);
    if (this.done.length > MOST) this.done.shift();
    this.undone = [];
  }

  get canUndo() {
    return this.done.length > 0;
  }

  get canRedo() {
    return this.undone.length > 0;
  }

  // Take the last change back, and return the rectangle that has to be drawn again; null for nothing to take back.
  undo(map) {
    const change = this.done.pop();
    if (!change) return null;
    this.undone.push(change);
    return apply(map, invert(change));
  }

  redo(map) {
    const change = this.undone.pop();
    if (!change) return null;
    this.done.push(change);
    return apply(map, change);
  }
}
