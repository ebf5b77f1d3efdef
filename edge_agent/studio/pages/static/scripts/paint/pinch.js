// Two fingers on a picture: they move it and zoom, whatever the tool. No page here.

export class Pinch {
  constructor() {
    this.fingers = new Map();
  }

  get isTwo() {
    return this.fingers.size >= 2;
  }

  down(event) {
    if (event.pointerType === "touch") this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  up(event) {
    this.fingers.delete(event.pointerId);
  }

  // A finger that moves, while there are two: how far their middle went and where it is, and how much they went apart.
  move(event) {
    if (!this.isTwo || !this.fingers.has(event.pointerId)) return null;
    const before = this.measure();
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = this.measure();
    return { dx: after.x - before.x, dy: after.y - before.y, x: after.x, y: after.y, factor: after.apart / Math.max(1, before.apart) };
  }

  measure() {
    const [one, other] = [...this.fingers.values()];
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart: Math.hypot(one.x - other.x, one.y - other.y) };
  }
}
