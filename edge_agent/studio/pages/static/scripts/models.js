import { get, name, post, query } from "./api.js";
import { $, $$, ask, fromTemplate, hideForbidden, setText } from "./dom.js";
import { ended, onJobs } from "./events.js";
import { attempt, say } from "./messages.js";
import { duration, fraction, mebibytes, w, when } from "./words.js";

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
  if (values.recall) options.recall = Number(values.recall);
  return options;
}

$("#train").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => follow((await post(`${api}/train`, chosen())).job));
});

async function follow(number) {
  training = number;
  $("#progress").hidden = false;
  $("#go").disabled = true;
  $("#progress button").onclick = () => attempt(() => post(`/jobs/${number}/cancel`));
  const job = await ended(number, drawProgress);
  training = null;
  $("#progress").hidden = true;
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  async function sign(model) {
  const answer = await ask($("#sign-dialog"));
  if (!answer) return;
  await post(`${api}/models/${name(model.version)}/sign`, { key: answer.key });
  say(w("models.signed", { version: model.version }));
}

async function makePackage(model) {
  const answer = await ask($("#package-dialog"));
  if (!answer) return;
  await post(`${api}/models/${name(model.version)}/package`, answer);
  location.href = "/jobs";
}

await attempt(showReady);
  await attempt(showModels);
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
  const text = progress ? w("train.running", { what: progress }) : w(`job.${job.state}`);
  const left = remaining(job.progress);
  const more = left === null ? "" : ` · ${w("train.left", { time: duration(left) })}`;
  $("#progress .what").textContent = `${text} ${passed > 1 ? duration(passed) : ""}${more}`;
}

async function showModels() {
  const [models, device, jobs] = await Promise.all([
    get(`${api}/models`), get("/device").catch(() => null), get(`/jobs?${query({ project })}`),
  ]);
  const deployed = device?.models.find((model) => model.name === project)?.deployed;
  $("#models tbody").replaceChildren(...models.map((model) => row(model, deployed, jobs)));
  $("#none").hidden = models.length > 0;
  $("#models").hidden = models.length === 0;
}

function row(model, deployed, jobs) {
  const element = fromTemplate("model");
  const { test, out_of_fold: held } = model.figures;
  const figures = test ?? held ?? {};
  setText(element, "th", model.version);
  if (model.version === deployed) {
    const badge = document.createElement("span");
    badge.className = "badge";
    badge.textContent = w("models.deployed");
    $("th", element).append(" ", badge);
  }
  setText(element, ".built", model.built ? when(model.built) : model.problem);
  for (const [key, figure] of [["f1", "f1"], ["recall", "recall"], ["precision", "precision"], ["auc", "roc_auc"]]) {
    setText(element, `.${key}`, fraction(figures[figure]));
  }
  $(".f1", element).title = w(test ? "models.of_test" : "models.of_held");
  setText(element, ".pictures", model.trained_on.normal === undefined ? "–" : `${model.trained_on.normal} + ${model.trained_on.anomaly}`);
  setText(element, ".threshold", fraction(model.threshold, 4));
  setText(element, ".size", mebibytes(model.size));
  $("[data-do=try]", element).href = `/projects/${name(project)}/try?version=${name(model.version)}`;
  const measured = jobs.find((job) => job.kind === "evaluate" && job.state === "done" && job.title === `${project} ${model.version}`);
  $("[data-do=look]", element).hidden = !measured;
  const act = (what, work) => $(`[data-do=${what}]`, element).addEventListener("click", (event) => {
    event.target.disabled = true;
    attempt(work).finally(() => { event.target.disabled = false; });
  });
  act("measure", () => measure(model));
  act("look", async () => look(model, measured.id));
  act("deploy", () => deploy(model));
  act("threshold", () => changeThreshold(model));
  act("sign", () => sign(model));
  act("package", () => makePackage(model));
  hideForbidden(element);
  return element;
}

async function measure(model) {
  const { job: number } = await post(`${api}/models/${name(model.version)}/evaluate`);
  const job = await ended(number);
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  await showModels();
  if (job.state === "done") look(model, number);
}

function look(model, job) {
  $("#evaluation").hidden = false;
  $("#evaluation h2").textContent = `${project} ${model.version}`;
  $("#evaluation iframe").src = `/api/jobs/${job}/files/evaluation/evaluation.html`;
  $("#evaluation").scrollIntoView({ behavior: "smooth" });
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
  for (let attempts = 0; attempts < 20; attempts += 1) {
    const { models } = await get("/device");
    if (models.some((one) => one.name === project)) {
      await post("/device/start", { model: project });
      return;
    }
    await new Promise((resolve) => { setTimeout(resolve, 250); });
  }
}

async function changeThreshold(model) {
  const dialog = $("#threshold-dialog");
  $("input", dialog).value = model.threshold;
  const answer = await ask(dialog);
  if (!answer) return;
  await post(`${api}/models/${name(model.version)}/threshold`, { threshold: Number(answer.threshold) });
  await showModels();
}

await attempt(showReady);
await attempt(showModels);
// A training that another page has begun is followed here too.
onJobs((jobs) => {
  const running = jobs.find((job) => job.project === project && job.kind === "train" && ["waiting", "running"].includes(job.state));
  if (running && training === null) follow(running.id);
});
document.body.dataset.ready = String($$("#models tbody tr").length);
