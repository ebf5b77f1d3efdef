import { get, name, post, query } from "./api.js";
import { $, isTyping, may } from "./dom.js";
import { ended } from "./events.js";
import { attempt, say } from "./messages.js";
import { w } from "./words.js";

const { project } = document.body.dataset;
const api = `/projects/${name(project)}`;
const tally = { right: 0, wrong: 0 };
let waiting = []; // pictures that were judged and that nobody has confirmed
let unjudged = 0;
let masking = []; // what pictures are judged by that makes masks

async function load() {
  const [models, none, judged] = await Promise.all([
    get(`${api}/models`),
    get(`${api}/pictures?${query({ class: "none", limit: 1 })}`),
    get(`${api}/pictures?${query({ class: "none", order: "doubt", limit: 500 })}`),
  ]);
  waiting = judged.pictures.filter((picture) => picture.verdict !== null);
  unjudged = none.total;
  masking = models.filter((model) => model.labels.length).map((model) => `${project} ${model.version}`);
  const select = $("#begin select");
  const wanted = new URLSearchParams(location.search).get("version") ?? select.value;
  select.replaceChildren(...models.map((model) => new Option(model.version, model.version)));
  if (models.some((model) => model.version === wanted)) select.value = wanted;
  $("#begin button").textContent = w("try.go", { count: unjudged });
  $("#begin button").disabled = !models.length || !unjudged;
  draw(models.length > 0);
}

function draw(hasModel = true) {
  const [picture] = waiting;
  $("#judge").hidden = !picture;
  $("#nothing").hidden = Boolean(picture);
  if (tally.right + tally.wrong) $("#tally").textContent = `${w("try.left", { count: waiting.length })} · ${w("try.agreed", tally)}`;
  else $("#tally").textContent = waiting.length ? w("try.left", { count: waiting.length }) : "";
  if (!picture) {
    $("#nothing").textContent = w(!hasModel ? "try.no_model" : tally.right + tally.wrong ? "try.done" : unjudged ? "try.lead" : "try.none");
    return;
  }
  const path = `/api${api}/pictures/${picture.id}`;
  $("#picture").src = `${path}/image`;
  $("#layer").hidden = !picture.proposed;
  if (picture.proposed) $("#layer").src = `${path}/layer?of=proposal&by=${name(picture.judged_by)}`;
  $("#name").textContent = picture.file;
  $("#verdict").textContent = w(picture.verdict);
  $("#verdict").dataset.class = picture.verdict;
  $("#score").textContent = w("try.says", { score: picture.score.toFixed(4) });
  $("#unmarked").hidden = picture.verdict !== "anomaly" || picture.proposed || !masking.includes(picture.judged_by);
  $("#touch-up").hidden = !may("operator");
}

async function confirm(isRight) {
  const [picture] = waiting;
  if (!picture) return;
  const other = picture.verdict === "normal" ? "anomaly" : "normal";
  const done = await attempt(() => post(`${api}/pictures/say`, { pictures: [picture.id], class: isRight ? picture.verdict : other }));
  if (!done) return;
  tally[isRight ? "right" : "wrong"] += 1;
  waiting = waiting.slice(1);
  unjudged -= 1;
  draw();
}

$("#right").addEventListener("click", () => confirm(true));
$("#wrong").addEventListener("click", () => confirm(false));
const touchUp = () => { if (waiting.length) location.href = `/projects/${name(project)}/paint/${waiting[0].id}`; };
$("#touch-up").addEventListener("click", touchUp);

addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey || !may("operator") || $("#judge").hidden) return;
  const keys = { c: () => confirm(true), ArrowRight: () => confirm(true), w: () => confirm(false), p: touchUp };
  keys[event.key]?.();
});

$("#begin").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const version = $("#begin select").value;
    const { job: number } = await post(`${api}/models/${name(version)}/try`);
    $("#begin button").disabled = true;
    const bar = $("#begin progress");
    bar.hidden = false;
    const job = await ended(number, ({ progress }) => {
      bar.max = progress.total || 1;
      bar.value = progress.done;
    });
    bar.hidden = true;
    if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
    await load();
    document.body.dataset.judged = String(waiting.length);
  });
});

await attempt(load);
