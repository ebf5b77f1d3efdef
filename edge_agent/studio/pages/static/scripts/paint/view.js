// Draws a label map over its picture, and knows where on the screen a pixel is.

import { Overlay } from "./overlay.js";

export class View {
  constructor(stage, sheet, overlay, sketch) {
    this.stage = stage;
    this.sheet = sheet;
    this.overlay = new Overlay(overlay);
    this.sketch = sketch;
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
    this.box = null;
    // Where the stage is, is asked once and not for every point of a stroke: asking makes the browser lay out the page.
    for (const kind of ["resize", "scroll"]) addEventListener(kind, () => { this.box = null; }, { capture: true, passive: true });
    new ResizeObserver(() => { this.box = null; }).observe(stage);
  }

  open(map, colors) {
    this.map = map;
    this.sketch.setAttribute("viewBox", `0 0 ${map.width} ${map.height}`);
    this.sheet.style.width = `${map.width}px`;
    this.sheet.style.height = `${map.height}px`;
    this.overlay.open(map, colors);
    this.fit();
  }

  setColors(colors) {
    this.overlay.setColors(colors);
  }

  draw(rect) {
    if (rect) this.overlay.draw(rect);
  }

  // The outline of a polygon that is being drawn.
  drawSketch(points) {
    const said = points.map(({ x, y }) => `${x},${y}`).join(" ");
    for (const line of this.sketch.children) line.setAttribute("points", said);
  }

  get place() {
    this.box ??= this.stage.getBoundingClientRect();
    return this.box;
  }

  // From a place on the screen to the picture, in pixels.
  point({ clientX, clientY }) {
    const { left, top } = this.place;
    return { x: (clientX - left - this.left) / this.zoom, y: (clientY - top - this.top) / this.zoom };
  }

  move() {
    this.sheet.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.zoom})`;
    this.sheet.classList.toggle("coarse", this.zoom >= 3);
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    this.zoom = Math.min(clientWidth / this.map.width, clientHeight / this.map.height);
    this.left = (clientWidth - this.map.width * this.zoom) / 2;
    this.top = (clientHeight - this.map.height * this.zoom) / 2;
    this.move();
  }

  zoomAt(x, y, factor) {
    const zoom = Math.min(40, Math.max(0.02, this.zoom * factor));
    this.left = x - ((x - this.left) / this.zoom) * zoom;
    this.top = y - ((y - this.top) / this.zoom) * zoom;
    this.zoom = zoom;
    this.move();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.move();
  }
}
