// Charts of bars: kinds of anomaly by how often they come, and how scores or times are distributed.

import { across, MARGIN, mark, show, stage, svg, table, text } from "./draw.js";
import { cumulated, labelled, linear } from "./scale.js";

export function drawPareto(figure, kinds, { label, say, href, percent, heads, cells }) {
  const row = 34;
  const place = stage(figure, Math.max(1, kinds.length) * row + 20, label);
  const most = Math.max(1, ...kinds.map((kind) => kind.pictures));
  const start = Math.min(150, place.width * 0.35);
  const x = linear(0, most, start, place.right - 90);
  const sums = cumulated(kinds.map((kind) => kind.pictures));
  const marks = kinds.map((kind, at) => {
    const y = 8 + at * row;
    const name = kind.label.length > 18 ? `${kind.label.slice(0, 17)}…` : kind.label;
    place.root.append(text(start - 8, y + 19, name, "end", "name"));
    place.root.append(text(x(kind.pictures) + 8, y + 19, `${kind.pictures} · ${percent(sums[at])}`, "start"));
    return mark(svg("rect", { x: start, y, width: Math.max(2, x(kind.pictures) - start), height: row - 8, rx: 3, class: "bar anomaly" }), say(kind, sums[at]), href(kind));
  });
  show(figure, place, marks);
  table(figure, heads, kinds.map((kind, at) => ({ cells: cells(kind, sums[at]), href: href(kind) })));
}

// `parts` are { from, to, count, other }: `other` is the share that training had there; `line` a place to mark.
export function drawHistogram(figure, parts, { label, say, href, name, percent, heads, cells, line, isAnomalous }) {
  const place = stage(figure, 240, label);
  const all = parts.reduce((sum, part) => sum + part.count, 0) || 1;
  // Heights are square roots, so that a few anomalies beside many normal pictures can be seen.
  const height = (share) => Math.sqrt(share);
  const most = Math.max(0.01, ...parts.map((part) => Math.max(part.count / all, part.other ?? 0)));
  const y = linear(0, height(most) * 1.05, place.bottom, MARGIN.top);
  for (const share of [0.01, 0.1, 0.25, 0.5, 1].filter((value) => value <= most * 1.1)) {
    place.root.append(svg("line", { x1: MARGIN.left, x2: place.right, y1: y(height(share)), y2: y(height(share)), class: "grid-line" }));
    place.root.append(text(MARGIN.left - 8, y(height(share)) + 4, percent(share), "end"));
  }
  const x = linear(0, parts.length, MARGIN.left, place.right);
  for (const at of labelled(parts.length, place.right - MARGIN.left, 46)) place.root.append(text(x(at), place.bottom + 20, name(parts[at].from)));
  place.root.append(svg("line", { x1: MARGIN.left, x2: place.right, y1: place.bottom, y2: place.bottom, class: "axis" }));
  const marks = parts.map((part, at) => {
    const tall = part.count ? Math.max(2, place.bottom - y(height(part.count / all))) : 0;
    const kind = isAnomalous?.(part) ? "bar anomaly" : "bar";
    const shape = svg("g", {}, svg("rect", { x: x(at), y: MARGIN.top, width: x(1) - x(0), height: place.bottom - MARGIN.top, class: "touch" }),
      svg("rect", { x: x(at) + 0.5, y: place.bottom - tall, width: Math.max(1, x(1) - x(0) - 1), height: tall, class: kind }));
    return part.count ? mark(shape, say(part, part.count / all), href(part)) : null;
  }).filter(Boolean);
  show(figure, place, marks);
  if (parts.some((part) => part.other)) {
    const steps = parts.flatMap((part, at) => [`${x(at)},${y(height(part.other))}`, `${x(at + 1)},${y(height(part.other))}`]);
    place.root.append(svg("polyline", { points: steps.join(" "), class: "trained" }));
  }
  if (line !== undefined && line !== null) {
    const at = x(line.at);
    place.root.append(svg("line", { x1: at, x2: at, y1: MARGIN.top, y2: place.bottom, class: "threshold" }), text(at + 5, MARGIN.top + 10, line.text, at > place.width * 0.7 ? "end" : "start", "note"));
  }
  table(figure, heads, parts.filter((part) => part.count || part.other).map((part) => ({ cells: cells(part, part.count / all), href: part.count ? href(part) : "" })));
}
