import { get, name, post } from "./api.js";
import { $, fromTemplate, hideForbidden, may, setText } from "./dom.js";
import { cycleText } from "./lines/now.js";
import { byText, outcomeText, stateText } from "./lines/words.js";
import { attempt } from "./messages.js";
import { w } from "./words.js";

const EVERY = 2000;
const shown = new Map();
const doing = new Set();

function element(line) {
  const item = fromTemplate("line");
  const page = `/lines/${name(line.name)}`;
  for (const link of [$(".look", item), $("h2 a", item)]) link.href = page;
  $("h2 a", item).textContent = line.name;
  $("[data-do=edit]", item).href = `${page}/edit`;
  for (const what of ["start", "stop", "restart"]) {
    $(`[data-do=${what}]`, item).addEventListener("click", async () => {
      doing.add(line.name);
      setText(item, ".doing", "…");
      await attempt(() => post(`/lines/${name(line.name)}/${what}`));
      doing.delete(line.name);
      setText(item, ".doing", "");
      await attempt(redraw);
    });
  }
  hideForbidden(item);
  return item;
}

function fill(item, line) {
  const busy = doing.has(line.name);
  setText(item, ".state", stateText(line));
  $(".state", item).dataset.state = line.state;
  $(".draft", item).hidden = !line.has_draft;
  setText(item, ".by", byText(line));
  $("[data-do=edit]", item).hidden = !may("engineer") || !(line.is_there || line.has_draft);
  setText(item, ".why", line.why);
  $(".why", item).hidden = !line.why;
  const differs = line.line !== line.name ? [line.line] : [];
  setText(item, ".from", [...differs, line.source, line.models.join(" + ")].filter(Boolean).join(" · "));
  $("[data-do=start]", item).disabled = busy || !line.can_start;
  $("[data-do=stop]", item).disabled = busy || !line.can_stop;
  $("[data-do=restart]", item).disabled = busy || !line.can_stop || line.mistakes > 0;
  const { today } = line;
  for (const key of ["passed", "rejected", "looked"]) setText(item, `.${key}`, today?.[key] ?? "–");
  const missed = today ? today.failed + today.early : 0;
  setText(item, ".missed", today ? missed : "–");
  $(".missed-box", item).dataset.tone = missed ? "bad" : "";
  setText(item, ".cycle", cycleText(line));
  drawLook(item, line);
}

function drawLook(item, line) {
  const last = line.status?.last;
  $(".look", item).hidden = !line.picture;
  if (!line.picture) return;
  const address = `/api/lines/${name(line.name)}/picture?at=${line.picture}`;
  if ($("img", item).getAttribute("src") !== address) $("img", item).src = address;
  $("img", item).alt = last ? `${line.name}: ${last.part}` : line.name;
  setText(item, ".look .outcome", last ? outcomeText(last.outcome) : "");
  $(".look .outcome", item).dataset.outcome = last?.outcome ?? "";
}

async function redraw() {
  const { folder, lines } = await get("/lines");
  $("#folder").textContent = w("lines.folder_is", { folder });
  $("#none").hidden = lines.length > 0;
  for (const line of lines) {
    if (!shown.has(line.name)) shown.set(line.name, element(line));
    fill(shown.get(line.name), line);
  }
  const items = lines.map((line) => shown.get(line.name));
  const list = $("#lines");
  if (list.children.length !== items.length || items.some((item, at) => list.children[at] !== item)) list.replaceChildren(...items);
}

async function look() {
  if (!document.hidden) await attempt(redraw);
  setTimeout(look, EVERY);
}
await attempt(redraw);
document.body.dataset.ready = "true";
setTimeout(look, EVERY);
