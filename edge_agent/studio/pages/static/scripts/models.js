import { get, name, post, send } from "./api.js";
import { $, $$, ask, fromTemplate, hideForbidden, setText } from "./dom.js";
import { ended, onJobs } from "./events.js";
import { attempt, say } from "./messages.js";
import { duration, fraction, mebibytes, stepWords, w, when } from "./words.js";

const { project } = document.body.dataset;
const api = `/projects/${name(project)}`;
let training = null; // the number of the training that is followed

async function showReady() {
  const found = await get(api);
  const counts = { normal: found.normal, anomaly: found.anomaly, test: found.test };
  $("#ready").textContent = w(found.normal + found.anomaly ? "train.ready" : "train.too_few", counts);
  $("#go").disabled = training !== null || !(found.normal + found.anomaly);
}

function chosen() {
  const values = Object.fromEntries(new FormData($("#train")));
  const options = { task: values.task, locate: values.locate === "on", precision: values.int8 === "on" ? "int8" : "fp32", seed: Number(values.seed || 0) };
  options.quality = values.quality;
  if (values.input_size) options.input_size = values.input_size;
  if (values.recall) options.recall = Number(values.recall);
  return options;
}

// A quality is a size of the input: only one of the two can say it.
function allowSize() {
  const field = $("[name=input_size]");
  field.disabled = !["auto", "normal"].includes($("[name=quality]").value);
  if (field.disabled) field.value = "";
}
$("[name=quality]").addEventListener("change", allowSize);
allowSize();

$("#train").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => follow((await post(`${api}/train`, chosen())).job));
});

async function follow(number) {
  if (training === number) return; // the news of it came before the answer
  training = number;
  $("#progress").hidden = false;
  $("#go").disabled = true;
  $("#progress button").onclick = () => attempt(() => post(`/jobs/${number}/cancel`));
  const job = await ended(number, drawProgress);
  training = null;
  $("#progress").hidden = true;
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  await attempt(showReady);
  await attempt(showModels);
  // What it says of itself is read now, before it is deployed.
  if (job.state === "done") $("#models [data-do=outlook]")?.click();
}

async function sign(model) {
  const answer = await ask($("#sign-dialog"));
  if (!answer) return;
  await post(`${api}/models/${name(model.version)}/sign`, { key: answer.key });
  say(w("models.signed", { version: model.version }));
  await showModels();
}

async function makePackage(model) {
  // What is packaged has another manifest, so that a signed model has to be signed again.
  $("[name=sign_key]", $("#package-dialog")).required = model.signed;
  const answer = await ask($("#package-dialog"));
  if (!answer) return;
  await post(`${api}/models/${name(model.version)}/package`, answer);
  location.href = "/jobs";
}

// How long the step under way will still take, at the pace that it has had so far; null while nobody can say.
let step = { what: "", began: 0, done: 0 };
function remaining({ progress, done, total }) {
  const now = Date.now() / 1000;
  // From the first thing that was done on: what comes before it, such as loading, says nothing of the pace.
  if (step.what !== progress || done < step.done || !step.done) step = { what: progress, began: now, done };
  const passed = now - step.began;
  return passed < 3 || done <= step.done || !total ? null : (passed / (done - step.done)) * (total - done);
}

function drawProgress(job) {
  const { progress, done, total } = job.progress;
  const bar = $("#progress progress");
  if (total) {
    bar.max = total;
    bar.value = done;
  } else bar.removeAttribute("value");
  const passed = job.started ? Date.now() / 1000 - job.started : 0;
  const text = progress ? w("train.running", { what: stepWords(progress) }) : w(`job.${job.state}`);
  const left = remaining(job.progress);
  const more = left === null ? "" : ` · ${w("train.left", { time: duration(left) })}`;
  $("#progress .what").textContent = `${text} ${passed > 1 ? duration(passed) : ""}${more}`;
}

async function showModels() {
  const [models, device] = await Promise.all([get(`${api}/models`), get("/device").catch(() => null)]);
  const served = device?.models.find((model) => model.name === project);
  $$("#models tbody").forEach((part) => part.remove());
  $("#models").append(...models.map((model) => row(model, served, device)));
  $("#none").hidden = models.length > 0;
  $("#models").hidden = models.length === 0;
}

// A figure with its 95 % interval below it.
function showFigure(element, value, between) {
  const shown = fromTemplate("figure");
  setText(shown, ".value", fraction(value));
  setText(shown, ".between", between ? w("models.between", { low: fraction(between[0], 2), high: fraction(between[1], 2) }) : "");
  element.replaceChildren(shown);
}

function row(model, served, device) {
  const element = fromTemplate("model");
  const kind = model.figures.test ? "test" : "out_of_fold";
  const figures = model.figures[kind] ?? {};
  const intervals = model.intervals[kind] ?? {};
  setText(element, ".version", model.version);
  $(".badge", element).hidden = model.version !== served?.deployed;
  setText(element, ".built", model.problem || `${when(model.built)}${model.made_from ? ` · ${w("models.made_from", { version: model.made_from })}` : ""}`);
  $(".signed", element).hidden = !model.signed;
  for (const [key, figure] of [["f1", "f1"], ["recall", "recall"], ["precision", "precision"], ["auc", "roc_auc"]]) {
    showFigure($(`.${key}`, element), figures[figure], intervals[figure]);
  }
  $(".f1", element).title = w(kind === "test" ? "models.of_test" : "models.of_held");
  setText(element, ".pictures", model.trained_on.normal === undefined ? "–" : `${model.trained_on.normal} + ${model.trained_on.anomaly}`);
  setText(element, ".threshold", fraction(model.threshold, 4));
  setText(element, ".milliseconds", model.measured?.milliseconds ? `${fraction(model.measured.milliseconds, 1)} ms` : "–");
  $(".milliseconds", element).title = model.measured ? "" : w("models.milliseconds_how");
  setText(element, ".size", mebibytes(model.size));
  $("[data-do=try]", element).href = `/projects/${name(project)}/try?version=${name(model.version)}`;
  $("[data-do=look]", element).hidden = !model.measured;
  $("[data-do=shadow]", element).hidden = !device?.reachable || !served?.deployed || served.deployed === model.version;
  const act = (what, work) => $(`[data-do=${what}]`, element).addEventListener("click", (event) => {
    event.target.disabled = true;
    attempt(() => work(model, element)).finally(() => {
      event.target.disabled = false;
      // Whoever uses keys is where they were: not nowhere, nor in a dialog that has been closed.
      if (document.activeElement === document.body || document.activeElement.closest("dialog:not([open])")) event.target.focus();
    });
  });
  act("measure", measure);
  act("outlook", async (_, part) => {
    const { toggleOutlook } = await import("./outlook.js");
    await toggleOutlook(part, model, await get(`${api}/models/${name(model.version)}/outlook`));
  });
  act("look", async () => look(model, model.measured.job));
  act("deploy", deploy);
  act("shadow", shadow);
  act("threshold", askThreshold);
  act("sign", sign);
  act("package", makePackage);
  act("remove", remove);
  hideForbidden(element);
  return element;
}

async function measure(model, element) {
  const { job: number } = await post(`${api}/models/${name(model.version)}/evaluate`);
  const job = await ended(number, ({ state, progress: { done, total } }) => {
    setText(element, ".doing", `${w(state === "waiting" ? "job.waiting" : "job.evaluate")} … ${total ? `${done} / ${total}` : ""}`);
  });
  setText(element, ".doing", "");
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  await showModels();
  if (job.state === "done") look(model, number);
}

let looked = null; // the model whose evaluation is shown
function look(model, job) {
  looked = model;
  $("#evaluation").hidden = false;
  $("#evaluation h2").textContent = w("models.measured", { model: `${project} ${model.version}` });
  offerThreshold(model.threshold);
  $("#evaluation iframe").src = `/api/jobs/${job}/files/evaluation/evaluation.html`;
  $("#evaluation").scrollIntoView({ behavior: "smooth" });
}

// The page in the frame tells where its threshold has been moved to.
let moved = 0;
function offerThreshold(threshold) {
  moved = threshold;
  $("#take-threshold").textContent = w("models.take_threshold", { threshold: fraction(threshold, 4) });
  $("#take-threshold").disabled = Math.abs(threshold - looked.threshold) < 5e-5;
}
addEventListener("message", ({ source, data }) => {
  if (looked && source === $("#evaluation iframe").contentWindow && typeof data?.threshold === "number") offerThreshold(data.threshold);
});
$("#take-threshold").addEventListener("click", () => attempt(() => useThreshold(looked, moved)));

async function remove(model) {
  if (!confirm(w("models.remove_ask", { version: model.version }))) return;
  await send("DELETE", `${api}/models/${name(model.version)}`);
  await showModels();
}

async function deploy(model) {
  await post("/device/deploy", { project, version: model.version });
  // The agent looks into its folder every second; then it can be told to start.
  const state = await get("/device");
  const served = state.models.find((one) => one.name === project);
  if (state.reachable && (!served || ["STOPPED", "FAILED"].includes(served.status))) await startWhenKnown();
  location.href = "/device";
}

async function startWhenKnown() {
  for (let attempts = 0; attempts < 60; attempts += 1) {
    const { models } = await get("/device");
    if (models.some((one) => one.name === project)) {
      await post("/device/start", { model: project });
      return;
    }
    await new Promise((resolve) => { setTimeout(resolve, 250); });
  }
}

async function askThreshold(model) {
  const dialog = $("#threshold-dialog");
  $("input", dialog).value = model.threshold;
  const answer = await ask(dialog);
  if (answer) await useThreshold(model, Number(answer.threshold));
}

async function useThreshold(model, threshold) {
  const made = await post(`${api}/models/${name(model.version)}/threshold`, { threshold });
  say(w("models.threshold_made", { version: made.version, threshold: fraction(threshold, 4), of: model.version }));
  await showModels();
}

async function shadow(model) {
  await post("/device/shadow", { project, version: model.version });
  location.href = "/device";
}

await attempt(showReady);
await attempt(showModels);
// A training that another page has begun is followed here too.
onJobs((jobs) => {
  const running = jobs.find((job) => job.project === project && job.kind === "train" && ["waiting", "running"].includes(job.state));
  if (running && training === null) follow(running.id);
});
document.body.dataset.ready = String($$("#models tbody").length);
