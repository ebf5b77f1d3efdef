import { get, post } from "./api.js";
import { $, fromTemplate, hideForbidden, setText } from "./dom.js";
import { attempt } from "./messages.js";
import { w } from "./words.js";

const EVERY = 2000;

function row(model) {
  const element = fromTemplate("model");
  setText(element, "th", model.name);
  setText(element, ".status", model.status);
  $(".status", element).dataset.status = model.status;
  setText(element, ".message-text", model.message);
  setText(element, ".version", model.deployed || "–");
  const start = $("[data-do=start]", element);
  const stop = $("[data-do=stop]", element);
  start.disabled = !["STOPPED", "FAILED"].includes(model.status);
  stop.disabled = model.status !== "RUNNING";
  start.addEventListener("click", () => attempt(async () => draw(await post("/device/start", { model: model.name }))));
  stop.addEventListener("click", () => attempt(async () => draw(await post("/device/stop", { model: model.name }))));
  hideForbidden(element);
  return element;
}

let drawn = "";
function draw(state) {
  if (JSON.stringify(state) === drawn) return; // a button under a finger stays where it is
  drawn = JSON.stringify(state);
  $("#reach").textContent = w(state.reachable ? "device.reachable" : "device.unreachable", { socket: state.socket });
  $("#serve").hidden = state.reachable;
  $("#serve pre").textContent = `edge-agent serve --model-dir ${state.folder}`;
  $("#models").hidden = !state.models.length;
  $("#models tbody").replaceChildren(...state.models.map(row));
  $("#none").hidden = state.models.length > 0 || !state.reachable;
}

async function look() {
  if (!document.hidden) await attempt(async () => draw(await get("/device")));
  setTimeout(look, EVERY);
}
look();
