// A label map as a picture in colours: canvases of a part each, made where something is marked. A browser copies a canvas
// whole whenever it has changed: with one of 4096 x 4096 that alone took longer than a frame.

const SIDE = 512;
// Each canvas has a pixel of those beside it, so that no line is seen between two when they are made smaller.
const EDGE = 1;

export class Overlay {
  constructor(element) {
    this.element = element;
    this.parts = new Map();
  }

  open(map, colors) {
    this.map = map;
    this.columns = Math.ceil(map.width / SIDE);
    this.parts = new Map();
    this.element.replaceChildren();
    this.setColors(colors);
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
    const last = { row: Math.floor(rect.bottom / SIDE), column: Math.floor(rect.right / SIDE) };
    for (let row = Math.max(0, Math.floor((rect.top - EDGE) / SIDE)); row <= last.row; row += 1) {
      for (let column = Math.max(0, Math.floor((rect.left - EDGE) / SIDE)); column <= last.column; column += 1) {
        this.drawPart(row, column, rect);
      }
    }
  }

  drawPart(row, column, rect) {
    const { data, width, height } = this.map;
    const area = {
      left: Math.max(0, column * SIDE - EDGE), top: Math.max(0, row * SIDE - EDGE),
      right: Math.min(width, (column + 1) * SIDE + EDGE), bottom: Math.min(height, (row + 1) * SIDE + EDGE),
    };
    const left = Math.max(area.left, rect.left);
    const right = Math.min(area.right, rect.right);
    const top = Math.max(area.top, rect.top);
    const bottom = Math.min(area.bottom, rect.bottom);
    if (left >= right || top >= bottom) return;
    const image = new ImageData(right - left, bottom - top);
    const pixels = new Uint32Array(image.data.buffer);
    let any = 0;
    for (let y = top, at = 0; y < bottom; y += 1) {
      const start = y * width;
      for (let place = start + left; place < start + right; place += 1, at += 1) {
        const value = data[place];
        any |= value;
        pixels[at] = this.palette[value];
      }
    }
    const number = row * this.columns + column;
    if (!any && !this.parts.has(number)) return;
    this.part(number, area).putImageData(image, left - area.left, top - area.top);
  }

  part(number, area) {
    let context = this.parts.get(number);
    if (!context) {
      const canvas = document.createElement("canvas");
      canvas.width = area.right - area.left;
      canvas.height = area.bottom - area.top;
      Object.assign(canvas.style, { left: `${area.left}px`, top: `${area.top}px`, width: `${canvas.width}px`, height: `${canvas.height}px` });
      this.element.append(canvas);
      context = canvas.getContext("2d");
      this.parts.set(number, context);
    }
    return context;
  }
}
