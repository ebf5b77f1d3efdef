// How often something happened in each period: a bar for each that has any.

import { across, MARGIN, mark, show, stage, svg, table, text } from "./draw.js";
import { labelled, linear, wide } from "./scale.js";

export function drawCounts(figure, points, { label, say, name, href, number, heads, cells }) {
  const place = stage(figure, 200, label);
  const top = across(place, Math.max(4, ...points.map((point) => point.count)), number);
  const x = linear(0, points.length, MARGIN.left, place.right);
  const y = linear(0, top, place.bottom, MARGIN.top);
  for (const at of labelled(points.length, place.right - MARGIN.left, points.length ? wide(name(points[0])) : 1)) place.root.append(text(x(at + 0.5), place.bottom + 20, name(points[at])));
  const marks = points.map((point, at) => ({ point, at })).filter(({ point }) => point.count).map(({ point, at }) => {
    const tall = Math.max(2, place.bottom - y(point.count));
    const wide = x(1) - x(0);
    return mark(svg("g", {}, svg("rect", { x: x(at) - Math.max(0, 6 - wide / 2), y: MARGIN.top, width: Math.max(12, wide), height: place.bottom - MARGIN.top, class: "touch" }),
      svg("rect", { x: x(at) + 0.5, y: place.bottom - tall, width: Math.max(2, wide - 1), height: tall, class: "bar anomaly" })), say(point), href(point));
  });
  show(figure, place, marks);
  table(figure, heads, points.filter((point) => point.count).map((point) => ({ cells: cells(point), href: href(point) })));
}
