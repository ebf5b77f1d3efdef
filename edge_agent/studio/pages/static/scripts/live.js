import { query } from "./api.js";
import { clock, exact } from "./charts/clock.js";
import { $, $$, fromTemplate, setText } from "./dom.js";
import { drawRow } from "./lines/now.js";
import { drawTrouble, offerFullScreen, watch } from "./watch.js";
import { w } from "./words.js";

const STRIP = 8;
const CAMERA = {
  ok: w("live.camera_ok"), black: w("live.camera_black"), dark: w("live.camera_dark"), bright: w("live.camera_bright"),
  blurred: w("live.camera_blurred"), frozen: w("live.camera_frozen"),
};
const language = document.documentElement.lang;
const number = (value) => new Intl.NumberFormat(language, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
const percent = (value) => new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: value < 0.1 ? 1 : 0 }).format(value);
const shown = new Map();
let last = null;
let isOld = () => false;

function setLayer(image, address) {
  image.hidden = !address;
  if (address && image.getAttribute("src") !== address) image.src = address;
}

function drawPicture(element, model) {
  const [newest] = model.pictures;
  const recorded = !newest && model.last_picture ? `/api/records/${model.last_record}` : "";
  const address = newest ? `/api/live/pictures/${newest.number}` : recorded ? `${recorded}/picture` : "";
  const image = $(".now .picture", element);
  image.hidden = !address;
  $(".no-picture", element).hidden = Boolean(address);
  if (address && image.getAttribute("src") !== address) {
    image.src = address;
    image.alt = newest ? w("records.alt", { verdict: w(newest.verdict), when: exact(newest.at, last.offset) }) : "";
  }
  setLayer($(".now .layer", element), newest?.marked ? `${address}/layer` : recorded && model.last_verdict === "anomaly" ? `${recorded}/layer` : "");
  $(".now", element).dataset.verdict = newest?.verdict ?? model.last_verdict;
}

function drawStrip(element, pictures) {
  const strip = $(".strip", element);
  const wanted = pictures.slice(1, STRIP + 1);
  const known = new Map([...strip.children].map((item) => [item.dataset.number, item]));
  strip.replaceChildren(...wanted.map((picture) => {
    const item = known.get(picture.number) ?? fromTemplate("seen");
    if (!item.dataset.number) {
      item.dataset.number = picture.number;
      item.dataset.verdict = picture.verdict;
      $("img", item).src = `/api/live/pictures/${picture.number}`;
      $("img", item).alt = w("records.alt", { verdict: w(picture.verdict), when: exact(picture.at, last.offset) });
    }
    return item;
  }));
}

function drawLine(element, model) {
  const [newest] = model.pictures;
  const verdict = newest?.verdict ?? model.last_verdict;
  const isRunning = model.status === "RUNNING" && last.reachable;
  setText(element, "h2", model.version ? `${model.name} ${model.version}` : model.name);
  $(".verdict", element).dataset.class = isRunning ? verdict : "";
  setText(element, ".verdict", isRunning ? (verdict ? `${verdict === "normal" ? "✓" : "✗"} ${w(verdict)}` : w("live.waiting")) : w("live.stands"));
  const score = newest ? w("try.says", { score: newest.score.toFixed(3) }) : "";
  const areas = newest?.verdict === "anomaly" ? newest.unmarked ? w("records.unmarked") : Object.keys(newest.areas).join(", ") : "";
  const when = newest?.at ?? model.last_at;
  setText(element, ".score", [score, areas, when ? exact(when, last.offset) : ""].filter(Boolean).join(" · "));
  setText(element, ".g-state dd", last.reachable ? model.status : w("live.away"));
  $(".g-state", element).dataset.tone = isRunning ? "good" : "bad";
  setText(element, ".g-camera dd", CAMERA[model.camera] ?? "–");
  $(".g-camera", element).dataset.tone = model.camera === "ok" ? "good" : model.camera ? "bad" : "";
  setText(element, ".g-rate dd", w("live.per_minute", { rate: number(model.rate) }));
  setText(element, ".g-cycle dd", model.milliseconds === null ? "–" : model.interval === null ? `${number(model.milliseconds)} ms`
    : w("live.cycle_used", { used: number(model.milliseconds), of: number(model.interval * 1000), share: percent(model.used) }));
  $("meter", element).value = model.used ?? 0;
  $(".g-cycle", element).dataset.tone = (model.used ?? 0) > 0.8 ? "bad" : "";
  setText(element, ".g-today dd", w("live.today_is", { anomalous: number(model.today_anomalous), total: number(model.today), share: model.today ? percent(model.today_anomalous / model.today) : "–" }));
  const told = [model.message, model.camera_text, model.drift === "drifted" ? w("live.drifted") : ""].filter((text, place, all) => text && !all.slice(0, place).some((other) => other.includes(text)));
  $(".message-text", element).hidden = !told.length;
  setText(element, ".message-text", told.join(" · "));
  drawPicture(element, model);
  drawStrip(element, model.pictures);
}

function drawLines(lines) {
  $("#device-lines").hidden = !lines.length;
  const list = $("#device-lines ul");
  const known = new Map([...list.children].map((item) => [item.dataset.line, item]));
  const items = lines.map((line) => {
    const item = known.get(line.name) ?? fromTemplate("line-row");
    item.dataset.line = line.name;
    drawRow(item, line);
    return item;
  });
  if (items.length !== list.children.length || items.some((item, at) => list.children[at] !== item)) list.replaceChildren(...items);
}

function drawOutputs(outputs) {
  $("#outputs").hidden = !outputs.length;
  $("#outputs ul").replaceChildren(...outputs.map((output) => {
    const item = fromTemplate("output");
    item.dataset.tone = output.problem ? "bad" : "good";
    setText(item, "b", output.name);
    setText(item, "span", output.problem ? w("live.output_bad", { problem: output.problem, waiting: output.waiting }) : w("live.output_good", { sent: number(output.sent), waiting: number(output.waiting) }));
    return item;
  }));
}

function draw() {
  const chosen = $("#model").value;
  const models = last.models.filter((model) => !chosen || model.name === chosen);
  const names = last.models.map((model) => model.name);
  if ($$("#model option").slice(1).map((option) => option.value).join() !== names.join()) {
    $("#model").replaceChildren($("#model").options[0], ...names.map((name) => new Option(name, name)));
    $("#model").value = names.includes(chosen) || !chosen ? chosen : "";
  }
  for (const [name, element] of shown) if (!models.some((model) => model.name === name)) { element.remove(); shown.delete(name); }
  for (const model of models) {
    if (!shown.has(model.name)) {
      shown.set(model.name, fromTemplate("line"));
      $("#lines").append(shown.get(model.name));
    }
    drawLine(shown.get(model.name), model);
  }
  $("#lines").dataset.count = String(Math.min(4, models.length));
  $("#none").hidden = models.length > 0 || !last.reachable;
  drawLines(last.lines);
  drawOutputs(last.outputs);
  document.body.dataset.ready = "true";
}

function tellTrouble() {
  const old = isOld();
  const text = old ? w("live.old", { when: last ? clock(last.at, last.offset) : "–" }) : last && !last.reachable ? w("live.unreachable") : [last?.records, last?.pictures].filter(Boolean).join(" · ");
  drawTrouble(text, old, last && !old ? w("live.now", { when: exact(last.at, last.offset) }) : "");
}

$("#model").addEventListener("change", () => {
  history.replaceState(null, "", `?${query({ model: $("#model").value })}`);
  if (last) draw();
});

const wanted = new URLSearchParams(location.search).get("model");
if (wanted) {
  $("#model").append(new Option(wanted, wanted));
  $("#model").value = wanted;
}
isOld = watch((news) => {
  last = news;
  draw();
  tellTrouble();
});
setInterval(tellTrouble, 1000);
offerFullScreen($("#full"));
