// Draws a label map over its picture, and knows where on the screen a pixel is.

export class View {
  constructor(stage, sheet, overlay, sketch) {
    this.stage = stage;
    this.sheet = sheet;
    this.overlay = overlay;
    this.sketch = sketch;
    this.zoom = 1;
    this.left = 0;
    this.top = 0;
  }

  open(map, colors) {
    this.map = map;
    for (const canvas of [this.overlay, this.sketch]) {
      canvas.width = map.width;
      canvas.height = map.height;
    }
    this.sheet.style.width = `${map.width}px`;
    this.sheet.style.height = `${map.height}px`;
    this.context = this.overlay.getContext("2d");
    this.setColors(colors);
    this.fit();
  }

  setColors(colors) {
    // One 32-bit write a pixel; the bytes lie as RGBA in memory.
    const bytes = new Uint8Array(256 * 4);
    colors.forEach((color, at) => {
      bytes.set([1, 3, 5].map((from) => parseInt(color.slice(from, from + 2), 16)), (at + 1) * 4);
      bytes[(at + 1) * 4 + 3] = 255;
    });
    this.palette = new Uint32Array(bytes.buffer);
    this.draw({ left: 0, top: 0, right: this.map.width, bottom: this.map.height });
  }

  draw(rect) {
    if (!rect) return;
    const width = rect.right - rect.left;
    const image = this.context.createImageData(width, rect.bottom - rect.top);
    const pixels = new Uint32Array(image.data.buffer);
    for (let y = rect.top, at = 0; y < rect.bottom; y += 1) {
      const row = y * this.map.width;
      for (let x = rect.left; x < rect.right; x += 1, at += 1) pixels[at] = this.palette[this.map.data[row + x]];
    }
    this.context.putImageData(image, rect.left, rect.top);
  }

  // The outline of a polygon that is being drawn.
  drawSketch(points) {
    const context = this.sketch.getContext("2d");
    context.clearRect(0, 0, this.map.width, this.map.height);
    if (!points.length) return;
    context.lineWidth = 2 / this.zoom;
    for (const [color, dash] of [["#000", []], ["#fff", [6 / this.zoom, 6 / this.zoom]]]) {
      context.strokeStyle = color;
      context.setLineDash(dash);
      context.beginPath();
      points.forEach((point, at) => (at ? context.lineTo(point.x, point.y) : context.moveTo(point.x, point.y)));
      context.stroke();
    }
  }

  // From a place on the screen to the picture, in pixels.
  point(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: (event.clientX - box.left - this.left) / this.zoom, y: (event.clientY - box.top - this.top) / this.zoom };
  }

  place() {
    this.sheet.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.zoom})`;
    this.sheet.classList.toggle("coarse", this.zoom >= 3);
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    this.zoom = Math.min(clientWidth / this.map.width, clientHeight / this.map.height);
    this.left = (clientWidth - this.map.width * this.zoom) / 2;
    this.top = (clientHeight - this.map.height * this.zoom) / 2;
    this.place();
  }

  zoomAt(x, y, factor) {
    const zoom = Math.min(40, Math.max(0.02, this.zoom * factor));
    this.left = x - ((x - this.left) / this.zoom) * zoom;
    this.top = y - ((y - this.top) / this.zoom) * zoom;
    this.zoom = zoom;
    this.place();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.place();
  }
}
