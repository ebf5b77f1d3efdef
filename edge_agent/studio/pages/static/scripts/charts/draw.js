// What all charts are made of: SVG elements, axes, marks that lead to pictures, and the same as a table.

import { $, fromTemplate } from "../dom.js";
import { ticks } from "./scale.js";

const SVG = "http://www.w3.org/2000/svg";
export const MARGIN = { left: 54, right: 16, top: 14, bottom: 34 };

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const text = (x, y, content, anchor = "middle", kind = "") =>
  svg("text", { x, y, "text-anchor": anchor, class: kind }, content);

// An empty chart of a figure, as wide as there is room; resolves sizes for what is drawn into it.
export function stage(figure, height, label) {
  const plot = $(".plot", figure);
  const width = Math.max(280, plot.clientWidth);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
  return { root, width, height, right: width - MARGIN.right, bottom: height - MARGIN.bottom };
}

// Lines across, with what they stand for; returns the highest value of the axis.
export function across(place, most, format, count = 4) {
  const values = ticks(most, count);
  const top = values.at(-1);
  for (const value of values) {
    const y = place.bottom - (value / top) * (place.bottom - MARGIN.top);
    place.root.append(svg("line", { x1: MARGIN.left, x2: place.right, y1: y, y2: y, class: "grid-line" }));
    place.root.append(text(MARGIN.left - 8, y + 4, format(value), "end"));
  }
  return top;
}

// A mark that says what it is, and leads to its pictures.
export function mark(shape, said, href) {
  const link = svg("a", { class: "mark", tabindex: "-1", "aria-label": said });
  if (href) link.setAttribute("href", href);
  else link.setAttribute("role", "img");
  link.append(shape);
  link.said = said;
  return link;
}

// One of the marks can be reached by Tab, the others from there by arrows; what one says is shown beside it.
export function show(figure, place, marks) {
  const plot = $(".plot", figure);
  const tip = fromTemplate("tip");
  const tell = (link) => {
    const box = link.getBoundingClientRect();
    const around = plot.getBoundingClientRect();
    tip.textContent = link.said;
    tip.hidden = false;
    const left = box.left - around.left + box.width / 2;
    tip.style.left = `${Math.min(Math.max(left, 90), around.width - 90)}px`;
    tip.style.top = `${Math.max(0, box.top - around.top)}px`;
  };
  for (const [at, link] of marks.entries()) {
    place.root.append(link);
    link.addEventListener("pointerenter", () => tell(link));
    link.addEventListener("pointerleave", () => { tip.hidden = true; });
    link.addEventListener("focus", () => tell(link));
    link.addEventListener("blur", () => { tip.hidden = true; });
    link.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -at, End: marks.length - 1 - at };
      const next = marks[at + steps[event.key]];
      if (event.key === "Escape") tip.hidden = true;
      if (!next) return;
      event.preventDefault();
      link.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  }
  marks.at(-1)?.setAttribute("tabindex", "0");
  plot.replaceChildren(place.root, tip);
}

// The same for who does not see the chart; the first cell of a row leads to its pictures.
export function table(figure, heads, rows) {
  const before = $(".as-table", figure);
  const made = fromTemplate("table");
  made.open = before?.open ?? false;
  const cell = (kind, content) => {
    const element = document.createElement(kind);
    element.textContent = content;
    return element;
  };
  $("thead tr", made).append(...heads.map((head) => cell("th", head)));
  $("tbody", made).append(...rows.map(({ cells, href }) => {
    const row = document.createElement("tr");
    row.append(...cells.map((content, at) => cell(at ? "td" : "th", content)));
    if (href) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = cells[0];
      row.firstChild.replaceChildren(link);
    }
    return row;
  }));
  before?.remove();
  figure.append(made);
}
