import { get, post } from "./api.js";
import { $, fromTemplate, hideForbidden, setText } from "./dom.js";
import { onJobs } from "./events.js";
import { attempt } from "./messages.js";
import { w, when } from "./words.js";

const shown = new Map();

function element(job) {
  const item = fromTemplate("job");
  $("details", item).addEventListener("toggle", (event) => { if (event.target.open) attempt(() => details(job.id, item)); });
  $(".cancel", item).addEventListener("click", () => attempt(() => post(`/jobs/${job.id}/cancel`)));
  return item;
}

async function details(number, item) {
  const found = await get(`/jobs/${number}`);
  setText(item, "pre", found.log || "–");
  $(".files", item).replaceChildren(...found.files.map((file) => {
    const line = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/api/jobs/${number}/files/${file.split("/").map(encodeURIComponent).join("/")}`;
    link.textContent = file;
    line.append(link);
    return line;
  }));
}

function fill(item, job) {
  const runs = ["waiting", "running"].includes(job.state);
  setText(item, "b", `${w(`job.${job.kind}`)} ${job.title}`);
  setText(item, ".state", w(`job.${job.state}`));
  $(".state", item).dataset.state = job.state;
  setText(item, ".when", when(job.created));
  $(".cancel", item).hidden = !runs;
  const bar = $("progress", item);
  bar.hidden = job.state !== "running";
  if (job.progress.total) {
    bar.max = job.progress.total;
    bar.value = job.progress.done;
  } else bar.removeAttribute("value");
  $(".problem", item).hidden = !job.problem;
  setText(item, ".problem", job.problem);
  hideForbidden(item);
}

onJobs((jobs) => {
  $("#none").hidden = jobs.length > 0;
  for (const job of jobs) {
    if (!shown.has(job.id)) shown.set(job.id, element(job));
    fill(shown.get(job.id), job);
  }
  const items = jobs.map((job) => shown.get(job.id));
  if (items.some((item, at) => $("#jobs").children[at] !== item)) $("#jobs").replaceChildren(...items);
});
