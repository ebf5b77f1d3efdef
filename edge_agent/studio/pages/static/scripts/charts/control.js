// Charts over periods: the share of anomalies with its limits, and the time that a call takes.

import { across, MARGIN, mark, show, stage, svg, table, text } from "./draw.js";
import { labelled, linear, runs, wide } from "./scale.js";

function path(points) {
  return points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
}

function timeAxis(place, points, x, name) {
  for (const at of labelled(points.length, place.right - MARGIN.left, points.length ? wide(name(points[0])) : 1)) {
    place.root.append(text(x(at), place.bottom + 20, name(points[at])));
  }
}

const spread = (points, place) => linear(-0.5, points.length - 0.5, MARGIN.left, place.right);

// `say(point)` gives a point in words, `rows` its cells; `name` what stands below it, `href` where it leads.
export function drawShares(figure, points, chart, { label, say, name, href, percent, heads, cells, center }) {
  const place = stage(figure, 300, label);
  const share = (point) => point.anomalous / point.total;
  const filled = points.filter((point) => point.total);
  const most = Math.max(0.01, ...filled.map((point) => Math.max(share(point), Math.min(point.high ?? 0, 4 * (chart?.center ?? 1) + 0.02))));
  const top = across(place, Math.min(1, most), percent);
  const x = spread(points, place);
  const y = linear(0, top, place.bottom, MARGIN.top);
  const half = (x(1) - x(0)) / 2;
  points.forEach((point, at) => {
    if (!point.total) place.root.append(svg("rect", { x: x(at) - half, y: MARGIN.top, width: 2 * half, height: place.bottom - MARGIN.top, class: "gap" }));
  });
  let centerText = null;
  if (chart) {
    for (const run of runs(points.map((point, at) => ({ point, at })), ({ point }) => point.total)) {
      for (const side of ["high", "low"]) {
        const steps = run.flatMap(({ point, at }) => [[x(at) - half, y(Math.min(point[side], top))], [x(at) + half, y(Math.min(point[side], top))]]);
        place.root.append(svg("path", { d: path(steps), class: "limit" }));
      }
    }
    place.root.append(svg("line", { x1: MARGIN.left, x2: place.right, y1: y(chart.center), y2: y(chart.center), class: "center" }));
    centerText = text(place.right, y(chart.center) - 6, `${center} ${percent(chart.center)}`, "end", "note");
  }
  for (const run of runs(points.map((point, at) => ({ point, at })), ({ point }) => point.total)) {
    place.root.append(svg("path", { d: path(run.map(({ point, at }) => [x(at), y(share(point))])), class: "line" }));
  }
  timeAxis(place, points, x, name);
  const size = points.length > 120 ? 3 : 4.5;
  const marks = points.map((point, at) => ({ point, at })).filter(({ point }) => point.total).map(({ point, at }) => {
    const [cx, cy] = [x(at), y(share(point))];
    const shape = point.rule
      ? svg("path", { d: `M${cx},${cy - 8}L${cx + 8},${cy}L${cx},${cy + 8}L${cx - 8},${cy}Z`, class: "point out" })
      : svg("circle", { cx, cy, r: size, class: "point" });
    return mark(svg("g", {}, svg("rect", { x: cx - Math.max(half, 6), y: MARGIN.top, width: 2 * Math.max(half, 6), height: place.bottom - MARGIN.top, class: "touch" }), shape), say(point), href(point));
  });
  show(figure, place, marks);
  if (centerText) place.root.append(centerText);
  table(figure, heads, points.map((point) => ({ cells: cells(point), href: point.total ? href(point) : "" })));
}

export function drawTimes(figure, points, { label, say, name, href, number, heads, cells }) {
  const place = stage(figure, 240, label);
  const filled = points.filter((point) => point.total);
  const top = across(place, Math.max(1, ...filled.map((point) => point.milliseconds)) * 1.15, number);
  const x = spread(points, place);
  const y = linear(0, top, place.bottom, MARGIN.top);
  const placed = points.map((point, at) => ({ point, at }));
  for (const run of runs(placed, ({ point }) => point.total)) {
    place.root.append(svg("path", { d: path(run.map(({ point, at }) => [x(at), y(point.milliseconds)])), class: "line" }));
  }
  timeAxis(place, points, x, name);
  show(figure, place, placed.filter(({ point }) => point.total).map(({ point, at }) =>
    mark(svg("circle", { cx: x(at), cy: y(point.milliseconds), r: 4, class: "point" }), say(point), href(point))));
  table(figure, heads, points.map((point) => ({ cells: cells(point), href: point.total ? href(point) : "" })));
}
