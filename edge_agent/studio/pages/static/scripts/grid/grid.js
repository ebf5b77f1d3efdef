// Draws the tiles of a long list that are in sight, and asks for the rest when it comes into sight.

import { $, fromTemplate, setText } from "../dom.js";
import { w } from "../words.js";
import { layout, place, visible } from "./layout.js";

const PART = 200;

export class Grid {
  // `load(offset, limit)` resolves with { total, pictures }; `source(picture)` gives { thumbnail, layer } addresses.
  constructor(element, { load, source, onDraw }) {
    this.element = element;
    this.runway = $("#runway", element);
    this.load = load;
    this.source = source;
    this.onDraw = onDraw;
    this.reset();
    element.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(element);
  }

  reset() {
    this.rows = new Map();
    this.asked = new Map();
    this.total = 0;
    this.tiles = new Map();
    this.round = (this.round ?? 0) + 1;
    this.runway.replaceChildren();
  }

  // Read the list anew, and stay where the reader is.
  async refresh({ keep = false } = {}) {
    const scrolled = keep ? this.element.scrollTop : 0;
    const { round } = this;
    const first = keep ? Math.floor(this.range().first / PART) : 0;
    const page = await this.load(first * PART, PART);
    if (round !== this.round) return;
    this.reset();
    this.take(first, page);
    this.asked.set(first, true);
    this.draw();
    this.element.scrollTop = scrolled;
  }

  take(part, page) {
    this.total = page.total;
    page.pictures.forEach((picture, at) => this.rows.set(part * PART + at, picture));
  }

  at(index) {
    return this.rows.get(index);
  }

  indexOf(id) {
    for (const [index, picture] of this.rows) if (picture.id === id) return index;
    return -1;
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  measure() {
    this.grid = layout(this.runway.clientWidth || 800, this.total);
    return this.grid;
  }

  range() {
    return visible(this.measure(), this.total, this.element.scrollTop, this.element.clientHeight);
  }

  draw() {
    const { first, end } = this.range();
    this.runway.style.height = `${this.grid.full}px`;
    for (const [index, tile] of this.tiles) {
      if (index < first || index >= end) {
        tile.remove();
        this.tiles.delete(index);
      }
    }
    for (let index = first; index < end; index += 1) this.drawTile(index);
    for (let part = Math.floor(first / PART); part * PART < end; part += 1) this.ask(part);
    this.onDraw();
  }

  drawTile(index) {
    let tile = this.tiles.get(index);
    if (!tile) {
      tile = fromTemplate("tile");
      this.tiles.set(index, tile);
      this.runway.append(tile);
    }
    const { left, top } = place(this.grid, index);
    tile.style.transform = `translate(${left}px, ${top}px)`;
    tile.style.width = `${this.grid.side}px`;
    tile.style.height = `${this.grid.height}px`;
    tile.dataset.index = index;
    const picture = this.rows.get(index);
    if (picture && tile.picture !== picture) this.fillTile(tile, picture);
  }

  fillTile(tile, picture) {
    tile.picture = picture;
    tile.id = `picture-${picture.id}`;
    const { thumbnail, layer } = this.source(picture);
    const [image, over] = tile.querySelectorAll("img");
    if (image.getAttribute("src") !== thumbnail) image.src = thumbnail;
    over.hidden = !layer;
    if (layer) over.src = layer;
    tile.dataset.class = picture.class ?? "none";
    tile.dataset.part = picture.part;
    tile.querySelector(".dot").setAttribute("aria-label", w(picture.class ?? "unlabelled"));
    tile.title = picture.file;
    setText(tile, ".name", picture.file);
    setText(tile, ".score", picture.score === null ? "" : picture.score.toFixed(2));
  }

  ask(part) {
    if (this.asked.has(part) || part * PART >= this.total) return;
    this.asked.set(part, true);
    const { round } = this;
    this.load(part * PART, PART).then((page) => {
      if (round !== this.round) return;
      this.take(part, page);
      this.schedule();
    }, () => this.asked.delete(part));
  }

  show(index) {
    const top = place(this.measure(), index).top;
    const bottom = top + this.grid.height;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (bottom > this.element.scrollTop + this.element.clientHeight) {
      this.element.scrollTop = bottom - this.element.clientHeight;
    }
  }
}
