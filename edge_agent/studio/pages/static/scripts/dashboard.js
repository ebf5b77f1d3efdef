import { get, query } from "./api.js";
import { drawHistogram, drawPareto } from "./charts/bars.js";
import { clock, day, dayAndClock, toField, zone } from "./charts/clock.js";
import { drawCounts } from "./charts/counts.js";
import { drawShares, drawTimes } from "./charts/control.js";
import { $, $$ } from "./dom.js";
import { attempt } from "./messages.js";
import { w } from "./words.js";

const EVERY = 30000;
const form = $("#what");
const language = document.documentElement.lang;
const count = (value) => new Intl.NumberFormat(language).format(value);
const percent = (value) => new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: value && value < 0.1 ? 2 : 1 }).format(value);
const number = (value) => new Intl.NumberFormat(language, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
let shown = null;
let round = 0;

const RULES = {
  beyond: w("dash.rule_beyond"), two_of_three: w("dash.rule_two_of_three"),
  four_of_five: w("dash.rule_four_of_five"), eight_in_a_row: w("dash.rule_eight_in_a_row"),
};
const BASES = {
  stable: (chart) => w("dash.basis_stable", { count: chart.groups, when: dayAndClock(chart.since, shown.offset) }),
  few: (chart) => w("dash.basis_few", { count: chart.groups }),
  shown: (chart) => w("dash.basis_shown", { count: chart.groups }),
  training: (chart) => w("dash.basis_training", { count: chart.groups }),
};

// Everything that is chosen stands in the address, so that a page can be kept and sent.
const chosen = () => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));

function wanted() {
  const { from, to, ...values } = chosen();
  return values.span ? values : { ...values, span: "", begin: from ?? "", end: to ?? "" };
}

// Where a part of the figures leads: the same model, the same time, or less of both.
function pictures(more = {}) {
  return `/records?${query({ model: chosen().model ?? "", since: shown.since, until: shown.until, ...more })}`;
}
const ofPoint = (point, more = {}) => pictures({ since: point.begin, until: point.end, ...more });

function span(point) {
  return `${dayAndClock(point.begin, point.offset)} – ${clock(point.end, point.offset)}`;
}
function nameOf(point) {
  if (shown.by === "day") return day(point.begin, point.offset);
  const isLong = shown.until - shown.since > 30 * 3600;
  return (isLong ? dayAndClock : clock)(point.begin, point.offset);
}

function drawControl() {
  const figure = $("#control");
  const { chart, points } = shown;
  const outside = points.filter((point) => point.rule).length;
  const about = chart ? `${BASES[chart.basis](chart)} ${outside ? w("dash.outside", { count: outside }) : w("dash.inside")}` : w(chosen().limits === "training" ? "dash.no_training" : "dash.no_limits");
  $(".about", figure).textContent = chart && chart.spread > 1.05 ? `${about} ${w("dash.laney", { factor: number(chart.spread) })}` : about;
  const told = (point) => (point.total ? w("dash.point", { when: span(point), anomalous: count(point.anomalous), total: count(point.total), share: percent(point.anomalous / point.total) }) : w("dash.empty"));
  drawShares(figure, points, chart, {
    label: w("dash.control"), name: nameOf, percent, href: (point) => ofPoint(point, { verdict: point.anomalous ? "anomaly" : "" }), center: w("dash.center"),
    say: (point) => (point.rule ? `${told(point)} – ${RULES[point.rule]}` : told(point)),
    heads: [w("dash.when"), w("dash.pictures"), w("dash.anomalies"), w("dash.ratio"), w("dash.lower"), w("dash.upper"), w("dash.rule")],
    cells: (point) => [span(point), count(point.total), count(point.anomalous), point.total ? percent(point.anomalous / point.total) : w("dash.empty"),
      point.low === null ? "–" : percent(point.low), point.high === null ? "–" : percent(point.high), point.rule ? RULES[point.rule] : ""],
  });
}

function drawKinds() {
  const figure = $("#pareto");
  $(".about", figure).textContent = shown.kinds.length ? w("dash.pareto_about") : w("dash.no_kinds");
  drawPareto(figure, shown.kinds, {
    label: w("dash.pareto"), percent, href: (kind) => pictures({ label: kind.label, verdict: "anomaly" }),
    say: (kind, sum) => w("dash.kind", { label: kind.label, count: count(kind.pictures), sum: percent(sum) }),
    heads: [w("dash.label"), w("dash.pictures"), w("dash.sum"), w("dash.area")],
    cells: (kind, sum) => [kind.label, count(kind.pictures), percent(sum), percent(kind.area)],
  });
}

function drawScores() {
  const figure = $("#scores");
  const { counts, training, threshold } = shown.scores;
  const parts = counts.map((amount, at) => ({ from: at / counts.length, to: (at + 1) / counts.length, count: amount, other: training[at] ?? 0 }));
  $(".about", figure).textContent = training.length ? w("dash.scores_training") : w("dash.scores_about");
  drawHistogram(figure, parts, {
    label: w("dash.scores"), percent, name: (value) => value.toFixed(2),
    href: (part) => pictures({ score_from: part.from, score_to: part.to >= 1 ? 2 : part.to }),
    say: (part, share) => w("dash.score", { from: part.from.toFixed(2), to: part.to.toFixed(2), count: count(part.count), share: percent(share) }),
    heads: [w("dash.score_head"), w("dash.pictures"), w("dash.ratio_all"), w("dash.training")],
    cells: (part, share) => [`${part.from.toFixed(2)} – ${part.to.toFixed(2)}`, count(part.count), percent(share), training.length ? percent(part.other) : "–"],
    line: threshold === null ? null : { at: threshold * counts.length, text: w("dash.threshold", { value: threshold.toFixed(2) }) },
    isAnomalous: (part) => part.from >= (threshold ?? 2) - 1e-9,
  });
}

function drawLatency() {
  const { times, points } = shown;
  const parts = times.counts.map((amount, at) => ({ from: times.begins[at], to: times.begins[at + 1], count: amount }));
  $("#times .about").textContent = w("dash.times_about", { p50: number(times.p50), p95: number(times.p95), p99: number(times.p99), slowest: number(times.slowest) });
  drawHistogram($("#times"), parts, {
    label: w("dash.times"), percent, name: number,
    href: (part) => pictures({ slower_than: part.from, faster_than: part.to }),
    say: (part, share) => w("dash.time", { from: number(part.from), to: number(part.to), count: count(part.count), share: percent(share) }),
    heads: [w("dash.milliseconds"), w("dash.pictures"), w("dash.ratio_all")],
    cells: (part, share) => [`${number(part.from)} – ${number(part.to)}`, count(part.count), percent(share)],
  });
  $("#latency .about").textContent = w("dash.latency_about");
  drawTimes($("#latency"), points, {
    label: w("dash.latency"), name: nameOf, number, href: (point) => ofPoint(point),
    say: (point) => w("dash.time_point", { when: span(point), mean: number(point.milliseconds), slowest: number(point.slowest) }),
    heads: [w("dash.when"), w("dash.mean"), w("dash.slowest")],
    cells: (point) => [span(point), point.total ? number(point.milliseconds) : w("dash.empty"), point.total ? number(point.slowest) : "–"],
  });
}

const reason = (word) => {
  const key = `dash.reason_${word}`;
  return w(key) === key ? word.replaceAll("_", " ") : w(key);
};

// Who was refused has no picture: a bar leads to the figures of its time, in which the reasons are told.
function drawRefused() {
  const { points, refusals } = shown;
  const isSome = shown.refused > 0;
  for (const id of ["#refused", "#reasons"]) $(id).hidden = !isSome;
  if (!isSome) return;
  const href = (point) => `/dashboard?${query({ model: chosen().model ?? "", span: "", from: toField(point.begin, point.offset), to: toField(point.end, point.offset) })}`;
  $("#refused .about").textContent = w("dash.refused_about");
  drawCounts($("#refused"), points.map((point) => ({ ...point, count: point.refused })), {
    label: w("dash.refused"), name: nameOf, number, href, say: (point) => w("dash.refused_point", { when: span(point), count: count(point.count) }),
    heads: [w("dash.when"), w("dash.refused"), w("dash.pictures")], cells: (point) => [span(point), count(point.count), count(point.total)],
  });
  $("#reasons .about").textContent = w("dash.reasons_about", { details: refusals[0].details });
  const bars = refusals.map((one) => ({ ...one, label: reason(one.reason), pictures: one.calls }));
  drawPareto($("#reasons"), bars, {
    label: w("dash.reasons"), percent, href: () => null,
    say: (one) => w("dash.refused_why", { reason: one.label, model: one.model || w("dash.no_model"), count: count(one.calls), details: one.details }),
    heads: [w("dash.reason"), w("dash.model"), w("dash.refused"), w("dash.answered")],
    cells: (one) => [one.label, one.model || w("dash.no_model"), count(one.calls), one.details],
  });
}

function tellShare(id, share, word) {
  const element = $(id);
  element.replaceChildren();
  const link = document.createElement("a");
  link.href = pictures({ word });
  link.textContent = share.share === null ? "–" : percent(share.share);
  element.append(link);
  element.nextElementSibling.textContent = share.share === null ? w("dash.nobody")
    : w("dash.interval", { wrong: count(share.wrong), of: count(share.of), low: percent(share.low), high: percent(share.high) });
}

function link(id, content, more) {
  const anchor = document.createElement("a");
  anchor.href = pictures(more);
  anchor.textContent = content;
  $(id).replaceChildren(anchor);
}

function options(select, values) {
  const { value } = select;
  select.replaceChildren(select.options[0], ...values.map((one) => new Option(one, one)));
  select.value = values.includes(value) ? value : "";
}

function draw() {
  options(form.elements.model, shown.models);
  $("#zero").hidden = shown.state === "ok";
  $("#zero-why").textContent = shown.problem || w("dash.zero_where", { folder: shown.folder });
  $("#figures").hidden = shown.state !== "ok";
  $("#zone").textContent = w("dash.zone", { zone: zone(shown.offset) });
  if (shown.state !== "ok") return;
  link("#total", count(shown.total), {});
  link("#anomalous", count(shown.anomalous), { verdict: "anomaly" });
  link("#ratio", shown.total ? percent(shown.anomalous / shown.total) : "–", { verdict: "anomaly" });
  tellShare("#false-rejects", shown.false_rejects, "false_reject");
  tellShare("#escapes", shown.escapes, "escape");
  link("#p95", shown.total ? `${number(shown.times.p95)} ms` : "–", { slower_than: shown.times.p95 });
  $("#p95").nextElementSibling.textContent = shown.total ? w("dash.slowest_was", { slowest: number(shown.times.slowest) }) : "";
  $("#refused-total").textContent = count(shown.refused);
  $("#refused-total").classList.toggle("bad", shown.refused > 0);
  $("#refused-total").nextElementSibling.textContent = shown.refused ? w("dash.refused_below") : "";
  $("#nothing").hidden = shown.total > 0;
  for (const figure of $$(".charts > figure")) figure.hidden = !shown.total;
  drawRefused();
  $("#lost").hidden = !shown.lost;
  $("#lost").textContent = w("dash.lost", { count: count(shown.lost) });
  if (!shown.total) return;
  drawControl();
  drawKinds();
  drawScores();
  drawLatency();
}

async function load() {
  round += 1;
  const mine = round;
  const found = await attempt(() => get(`/dashboard?${query(wanted())}`));
  if (!found || mine !== round) return;
  const model = chosen().model ?? new URLSearchParams(location.search).get("model") ?? "";
  shown = found;
  if (model && !form.elements.model.value && found.models.includes(model)) {
    options(form.elements.model, found.models);
    form.elements.model.value = model;
  }
  draw();
  document.body.dataset.ready = String(round);
}

function fitForm() {
  const isOwn = form.elements.span.value === "";
  for (const field of $$(".own")) field.hidden = !isOwn;
  if (isOwn && !form.elements.from.value && shown) {
    form.elements.from.value = toField(shown.since, shown.offset);
    form.elements.to.value = toField(shown.until, shown.offset);
  }
  options(form.elements.only, form.elements.shifts.value.split(",").map((one) => one.trim()).filter((one) => /^\d\d:\d\d$/.test(one)));
}

form.addEventListener("change", () => {
  fitForm();
  localStorage.setItem("shifts", form.elements.shifts.value);
  history.replaceState(null, "", `?${query(chosen())}`);
  load();
});
form.addEventListener("submit", (event) => event.preventDefault());

const stored = localStorage.getItem("shifts");
if (stored) form.elements.shifts.value = stored;
fitForm();
const asked = new URLSearchParams(location.search);
if (asked.has("from") && !asked.has("span")) $("[name=span][value='']", form).checked = true; // own times: an address leaves out what is empty
for (const [key, value] of asked) {
  if (key === "model") form.elements.model.append(new Option(value, value));
  if (form.elements[key]) form.elements[key].value = value;
}
fitForm();
await load();
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width || !shown) return;
  width = innerWidth;
  requestAnimationFrame(draw);
});
// A time that ends now goes on, unless somebody is at one of the points.
setInterval(() => {
  if (!document.hidden && form.elements.span.value && !document.activeElement?.closest?.(".plot, .as-table")) load();
}, EVERY);
