// A line as it is now: on its own page and on the live page.

import { $, fromTemplate, setText } from "../dom.js";
import { w } from "../words.js";
import { byText, outcomeText, stateText } from "./words.js";

const CAMERA = { well: w("live.camera_ok"), dark: w("live.camera_dark"), frozen: w("live.camera_frozen"), gone: w("lines.camera_gone") };
const language = document.documentElement.lang;
const number = (value) => new Intl.NumberFormat(language, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
const percent = (value) => new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(value);

export const cycleUsed = (line) => (line.status?.last && line.cycle_ms ? line.status.last.milliseconds / line.cycle_ms : null);
export const cycleText = (line) => {
  const used = cycleUsed(line);
  return used === null ? "–" : w("live.cycle_used", { used: number(line.status.last.milliseconds), of: number(line.cycle_ms), share: percent(used) });
};

// The picture that the line itself shows, else the newest of its model, which the agent does.
function drawPicture(element, line, model) {
  const newest = line.picture ? null : model?.pictures[0];
  const address = line.picture ? `/api/lines/${encodeURIComponent(line.name)}/picture?at=${line.picture}` : newest ? `/api/live/pictures/${newest.number}` : "";
  const image = $(".picture", element);
  image.hidden = !address;
  $(".no-picture", element).hidden = Boolean(address);
  if (address && image.getAttribute("src") !== address) image.src = address;
  image.alt = line.status?.last ? `${line.status.last.part}: ${outcomeText(line.status.last.outcome)}` : "";
  const layer = $(".layer", element);
  layer.hidden = !newest?.marked;
  if (newest?.marked && layer.getAttribute("src") !== `${address}/layer`) layer.src = `${address}/layer`;
}

function drawPins(element, pins) {
  $(".pins", element).replaceChildren(...pins.map((pin) => {
    const item = fromTemplate("pin");
    item.dataset.value = pin.value ?? "";
    item.title = pin.place;
    setText(item, "b", pin.on === "able" ? w("lines.able_pin") : outcomeText(pin.on));
    setText(item, "span", pin.value === null ? w("lines.pin_broken") : pin.value);
    item.dataset.tone = pin.value === null ? "bad" : "";
    return item;
  }));
}

// A line among others, where its pictures are shown beside.
export function drawRow(item, line) {
  const last = line.by ? line.status?.last : null;
  $("a", item).textContent = line.name;
  $("a", item).href = `/lines/${encodeURIComponent(line.name)}`;
  setText(item, ".state", stateText(line));
  $(".state", item).dataset.state = line.state;
  item.dataset.tone = line.state === "inspecting" ? "good" : line.state === "safe" || line.state === "mistakes" ? "bad" : "";
  setText(item, ".outcome", last && line.state !== "safe" ? outcomeText(last.outcome) : "");
  $(".outcome", item).dataset.outcome = last?.outcome ?? "";
  const said = line.by && line.status ? [`${w("live.camera")}: ${CAMERA[line.status.camera]}`, `${w("live.cycle")}: ${cycleText(line)}`] : [];
  setText(item, ".said", [line.why, ...said].filter(Boolean).join(" · "));
  drawPins(item, line.by ? line.pins : []);
}

export function drawLine(element, line, model) {
  const last = line.by ? line.status?.last : null;
  const { today } = line;
  $("h2 a", element).textContent = line.name;
  $("h2 a", element).href = `/lines/${encodeURIComponent(line.name)}`;
  setText(element, ".state", stateText(line));
  $(".state", element).dataset.state = line.state;
  setText(element, ".by", byText(line));
  const isSafe = line.state === "safe";
  const outcome = isSafe ? "failed" : last?.outcome ?? "";
  $(".outcome", element).dataset.outcome = outcome;
  $(".now", element).dataset.outcome = outcome;
  setText(element, ".outcome", isSafe ? stateText(line) : last ? outcomeText(last.outcome) : line.by ? w("live.waiting") : stateText(line));
  setText(element, ".reason", !last || isSafe ? "" : [last.part, last.reason].filter(Boolean).join(" · "));
  setText(element, ".g-camera dd", line.by ? CAMERA[line.status?.camera] ?? "–" : "–");
  $(".g-camera", element).dataset.tone = !line.by || !line.status ? "" : line.status.camera === "well" ? "good" : "bad";
  setText(element, ".g-cycle dd", cycleText(line));
  const used = cycleUsed(line);
  $("meter", element).value = Math.min(1, used ?? 0);
  $(".g-cycle", element).dataset.tone = (used ?? 0) > 0.8 ? "bad" : "";
  setText(element, ".g-counts dd", today ? w("lines.counted", today) : "–");
  const missed = today ? today.failed + today.early : 0;
  setText(element, ".g-missed dd", today ? number(missed) : "–");
  $(".g-missed", element).dataset.tone = missed ? "bad" : "";
  drawPins(element, line.by ? line.pins : []);
  setText(element, ".message-text", line.why);
  $(".message-text", element).hidden = !line.why;
  drawPicture(element, line, model);
}
