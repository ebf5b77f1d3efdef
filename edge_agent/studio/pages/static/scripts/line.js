import { get, name, post } from "./api.js";
import { clock, exact } from "./charts/clock.js";
import { $, fromTemplate, may, setText } from "./dom.js";
import { drawLine } from "./lines/now.js";
import { outcomeText } from "./lines/words.js";
import { attempt } from "./messages.js";
import { drawTrouble, offerFullScreen, watch } from "./watch.js";
import { w } from "./words.js";

const wanted = document.body.dataset.line;
const element = fromTemplate("line-now");
let last = null;
let isOld = () => false;
let busy = false;
let listed = "";

function drawRecent(parts) {
  const now = JSON.stringify(parts);
  if (now === listed) return;
  listed = now;
  $("#none").hidden = parts.length > 0;
  $("#recent table").hidden = !parts.length;
  $("#recent tbody").replaceChildren(...parts.map((part) => {
    const row = fromTemplate("part");
    row.dataset.outcome = part.outcome;
    setText(row, ".when", exact(part.at, last.offset));
    setText(row, "th", part.part);
    setText(row, ".outcome", outcomeText(part.outcome));
    setText(row, ".reason", part.reason);
    setText(row, ".took", part.milliseconds.toFixed(1));
    return row;
  }));
}

function draw() {
  const line = last.lines.find((one) => one.name === wanted);
  if (line) {
    drawLine(element, line, last.models.find((model) => line.models.includes(model.name)));
    drawRecent(line.status?.recent ?? []);
    $("#edit").hidden = !may("engineer") || !(line.is_there || line.has_draft);
    $("[data-do=start]").disabled = busy || !line.can_start;
    $("[data-do=stop]").disabled = busy || !line.can_stop;
    $("[data-do=restart]").disabled = busy || !line.can_stop || line.mistakes > 0;
  }
  tellTrouble();
  document.body.dataset.ready = "true";
}

function tellTrouble() {
  const old = isOld();
  const isGone = last && !last.lines.some((one) => one.name === wanted);
  const text = old ? w("live.old", { when: last ? clock(last.at, last.offset) : "–" }) : isGone ? w("lines.gone") : "";
  drawTrouble(text, old, last && !old ? w("live.now", { when: exact(last.at, last.offset) }) : "");
}

for (const what of ["start", "stop", "restart"]) {
  $(`[data-do=${what}]`).addEventListener("click", async () => {
    busy = true;
    if (last) draw();
    await attempt(() => post(`/lines/${name(wanted)}/${what}`));
    busy = false;
    if (last) draw();
  });
}

async function showLog() {
  if (!$("#log").open) return;
  const { log } = await get(`/lines/${name(wanted)}/log`);
  const isUnit = last?.lines.some((line) => line.name === wanted && line.by === "systemd");
  $("#log pre").textContent = isUnit ? `journalctl -u edge-agent-line@${wanted}` : log || "–";
}
$("#log").addEventListener("toggle", () => attempt(showLog));

$("#lines").append(element);
isOld = watch((news) => {
  last = news;
  draw();
});
setInterval(tellTrouble, 1000);
offerFullScreen($("#full"));
