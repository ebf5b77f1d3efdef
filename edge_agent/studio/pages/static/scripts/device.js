import { get, name, post } from "./api.js";
import { $, fromTemplate, hideForbidden, setText } from "./dom.js";
import { ended, onJobs } from "./events.js";
import { attempt, say } from "./messages.js";
import { w } from "./words.js";

const EVERY = 2000;
const projects = new Set((await attempt(() => get("/projects")) ?? []).map((project) => project.name));
const doing = new Map(); // what is being done with a model, in words
let drawn = "";

function row(model, state) {
  const element = fromTemplate("model");
  setText(element, "th", model.name);
  setText(element, ".status", model.status || w("live.away"));
  $(".status", element).dataset.status = model.status;
  setText(element, ".message-text", model.message);
  setText(element, ".version", model.deployed || "–");
  $(".shadow", element).hidden = !model.shadow;
  setText(element, ".shadow span", w("device.shadow", { shadow: model.shadow, text: model.shadow_text }));
  setText(element, ".doing", doing.get(model.name) ?? "");
  $("[data-do=start]", element).disabled = !["STOPPED", "FAILED"].includes(model.status);
  $("[data-do=stop]", element).disabled = model.status !== "RUNNING";
  const versions = $("[data-do=versions]", element);
  versions.hidden = !projects.has(model.name);
  versions.href = `/projects/${name(model.name)}/models`;
  $("[data-do=send]", element).hidden = !projects.has(model.name) || !state.reachable;
  $("[data-do=send]", element).disabled = model.status !== "RUNNING" || doing.has(model.name);
  const act = (what, work) => $(`[data-do=${what}]`, element).addEventListener("click", () => attempt(work));
  for (const what of ["start", "stop", "end-shadow"]) act(what, async () => draw(await post(`/device/${what}`, { model: model.name })));
  act("send", () => send(model.name));
  act("compare", () => compare(model.name));
  $("[data-do=compare]", element).disabled = doing.has(model.name) || !/^[1-9]/.test(model.shadow_text); // not before it has judged
  hideForbidden(element);
  return element;
}

function draw(state) {
  const now = JSON.stringify([state, [...doing]]);
  if (now === drawn) return; // a button under a finger stays where it is
  drawn = now;
  $("#reach").textContent = w(state.reachable ? "device.reachable" : "device.unreachable", { socket: state.socket });
  $("#serve").hidden = state.reachable;
  $("#serve pre").textContent = state.command.map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", "'\\''")}'`)).join(" ");
  $("#models").hidden = !state.models.length;
  $("#models tbody").replaceChildren(...state.models.map((model) => row(model, state)));
  $("#none").hidden = state.models.length > 0;
  $("#more").hidden = !state.models.length;
}

const redraw = async () => draw(await get("/device"));

// Follow a job of a model, and say beside it how far that is; resolves with whether it was done.
async function follow(model, number) {
  const job = await ended(number, ({ kind, progress: { done, total } }) => {
    doing.set(model, `${w(`job.${kind}`)} … ${total ? `${done} / ${total}` : ""}`);
    redraw().catch(() => {});
  });
  doing.delete(model);
  await redraw();
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  return job.state === "done";
}

async function send(model) {
  const { job } = await post("/device/send", { model });
  const unsubscribe = onJobs((jobs) => {
    const found = jobs.find((one) => one.id === job);
    if (!found || found.state === "waiting") return;
    unsubscribe();
    if (found.state !== "failed") location.href = `/live?model=${name(model)}`; // where they arrive
  });
  await follow(model, job);
}

async function compare(model) {
  const { job } = await post("/device/compare", { model });
  if (!await follow(model, job)) return;
  $("#comparison").hidden = false;
  $("#comparison h2").textContent = w("device.comparison", { model });
  $("#comparison iframe").src = `/api/jobs/${job}/files/comparison/index.html`;
  $("#comparison").scrollIntoView({ behavior: "smooth" });
}

$("#copy").addEventListener("click", async () => {
  await navigator.clipboard?.writeText($("#serve pre").textContent).then(() => say(w("device.copied")), () => {});
});

async function look() {
  if (!document.hidden) await attempt(redraw);
  setTimeout(look, EVERY);
}
look();
