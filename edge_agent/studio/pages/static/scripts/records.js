import { get, name, post, query } from "./api.js";
import { exact, zone } from "./charts/clock.js";
import { $, fromTemplate, isTyping, may, setText } from "./dom.js";
import { ended } from "./events.js";
import { attempt, say } from "./messages.js";
import { w } from "./words.js";

const form = $("#filter");
const list = $("#records");
const FIXED = ["since", "until", "score_from", "score_to", "slower_than", "faster_than", "version"];
let fixed = {};
let records = [];
let next = "";
let at = -1;
let round = 0;
let offset = 0; // of the device: shifts are its own

const chosen = () => ({ ...fixed, ...Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== "")) });
const address = (record, what) => `/api/records/${record.id}/${what}`;
const isWrong = (record) => record.truth !== "" && record.truth !== record.verdict;

function tile(record, place) {
  const item = fromTemplate("record");
  fill(item, record);
  $("button", item).addEventListener("click", () => open(place));
  return item;
}

function fill(item, record) {
  const button = $("button", item);
  button.dataset.verdict = record.verdict;
  setText(item, ".said", w(record.verdict));
  setText(item, ".score", record.score.toFixed(3));
  setText(item, ".unmarked", record.unmarked ? w("records.unmarked") : "");
  setText(item, ".when", exact(record.at, record.offset));
  setText(item, ".truth", record.truth ? (isWrong(record) ? `✗ ${w("records.was", { truth: w(record.truth) })}` : "✓") : "");
  $(".picture", item).hidden = !record.picture;
  $(".no-picture", item).hidden = record.picture;
  if (record.picture) {
    $(".picture", item).src = address(record, "thumbnail");
    const layer = $(".layer", item);
    layer.hidden = record.verdict !== "anomaly" || !Object.keys(record.areas).length;
    if (!layer.hidden) layer.src = `${address(record, "layer")}?small=true`;
    layer.onerror = () => { layer.hidden = true; };
    // A newer picture may have taken its room.
    $(".picture", item).onerror = () => { $(".picture", item).hidden = true; layer.hidden = true; $(".no-picture", item).hidden = false; };
  }
}

async function load({ anew = false } = {}) {
  if (anew) {
    round += 1;
    records = [];
    next = "";
    list.replaceChildren();
  }
  const mine = round;
  const page = await attempt(() => get(`/records?${query({ ...chosen(), beyond: next })}`));
  if (!page || mine !== round) return;
  offset = page.offset;
  $("#zone").textContent = w("dash.zone", { zone: zone(offset) });
  tellSpan();
  list.append(...page.records.map((record, place) => tile(record, records.length + place)));
  records.push(...page.records);
  next = page.next;
  $("#more").hidden = !next;
  $("#count").textContent = w(next ? "records.count_more" : "records.count", { count: records.length });
  $("#none").hidden = records.length > 0 && !page.cut;
  $("#none").textContent = w(page.cut ? "records.cut" : page.none ? "records.none_yet" : "records.none");
  document.body.dataset.ready = String(round);
}

function tellSpan() {
  const parts = [];
  if (fixed.since) parts.push(`${exact(Number(fixed.since), offset)} – ${exact(Number(fixed.until), offset)}`);
  if (fixed.score_from !== undefined) parts.push(`${w("dash.score_head")} ${Number(fixed.score_from).toFixed(2)} – ${Math.min(1, Number(fixed.score_to)).toFixed(2)}`);
  if (fixed.slower_than !== undefined) parts.push(`${Number(fixed.slower_than).toFixed(1)} – ${fixed.faster_than === undefined ? "" : Number(fixed.faster_than).toFixed(1)} ms`);
  $("#span").hidden = !parts.length;
  setText($("#span"), "span", parts.join(" · "));
}

function remember() {
  history.replaceState(null, "", `?${query(chosen())}`);
}
form.addEventListener("change", () => { remember(); load({ anew: true }); });
form.addEventListener("submit", (event) => { event.preventDefault(); remember(); load({ anew: true }); });
$("#span button").addEventListener("click", () => { fixed = {}; tellSpan(); remember(); load({ anew: true }); });
$("#more").addEventListener("click", () => load());
new IntersectionObserver(([entry]) => { if (entry.isIntersecting && next) load(); }, { rootMargin: "300px" }).observe($("#more"));

// One record, large.

function fact(term, value) {
  const pair = [document.createElement("dt"), document.createElement("dd")];
  pair[0].textContent = term;
  pair[1].textContent = value;
  return pair;
}

function open(place) {
  const record = records[place];
  if (!record) return;
  at = place;
  $("#detail-verdict").textContent = w(record.verdict);
  $("#detail-verdict").dataset.class = record.verdict;
  $("#picture").hidden = !record.picture;
  $("#no-picture").hidden = record.picture;
  $("#layer").hidden = true;
  if (record.picture) {
    $("#picture").src = address(record, "picture");
    $("#picture").alt = w("records.alt", { verdict: w(record.verdict), when: exact(record.at, record.offset) });
    if (record.verdict === "anomaly" && Object.keys(record.areas).length) {
      $("#layer").hidden = false;
      $("#layer").src = address(record, "layer");
      $("#layer").onerror = () => { $("#layer").hidden = true; };
    }
  }
  const areas = record.unmarked ? w("records.unmarked_why") : Object.entries(record.areas).map(([label, share]) => `${label} ${(100 * share).toFixed(2)} %`).join(", ");
  $("#facts").replaceChildren(
    ...fact(w("dash.when"), exact(record.at, record.offset)), ...fact(w("dash.model"), `${record.model} ${record.version}`),
    ...fact(w("dash.score_head"), w("records.against", { score: record.score.toFixed(4), threshold: record.threshold.toFixed(4) })),
    ...fact(w("dash.milliseconds"), record.milliseconds.toFixed(1)), ...(record.part ? fact(w("records.part"), record.part) : []),
    ...(record.station ? fact(w("records.station"), record.station) : []), ...(areas ? fact(w("dash.area"), areas) : []),
  );
  tellWord(record);
  $("#before").disabled = place === 0;
  $("#after").disabled = place === records.length - 1 && !next;
  if (!$("#detail").open) $("#detail").showModal();
}

function tellWord(record) {
  $("#word").textContent = record.truth ? w(isWrong(record) ? "records.found_wrong" : "records.found_right", { who: record.who }) : w("records.nobody");
}

async function confirm(isRight) {
  const record = records[at];
  if (!record || !may("operator")) return;
  const truth = isRight ? record.verdict : record.verdict === "normal" ? "anomaly" : "normal";
  const labels = truth === "anomaly" && isRight ? Object.keys(record.areas) : [];
  const told = await attempt(() => post(`/records/${record.id}/confirm`, { truth, labels }));
  if (!told) return;
  records[at] = told;
  fill(list.children[at], told);
  if ($("#detail").open) await step(1, told);
}

async function step(by, told) {
  if (at + by >= records.length && next) await load();
  if (records[at + by]) open(at + by);
  else if (told) tellWord(told); // the last one
}

$("#right").addEventListener("click", () => confirm(true));
$("#wrong").addEventListener("click", () => confirm(false));
$("#before").addEventListener("click", () => step(-1));
$("#after").addEventListener("click", () => step(1));
$("#close").addEventListener("click", () => $("#detail").close());
$("#detail").addEventListener("close", () => $("button", list.children[at])?.focus());

function columns() {
  const [first] = list.children;
  return [...list.children].findIndex((item) => item.offsetTop > first.offsetTop) || 1;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ($("#detail").open) {
    const keys = { c: () => confirm(true), w: () => confirm(false), ArrowRight: () => step(1), ArrowLeft: () => step(-1) };
    keys[event.key]?.();
    return;
  }
  const item = document.activeElement.closest?.("#records li");
  if (!item || isTyping(event)) return;
  const place = [...list.children].indexOf(item);
  const across = columns();
  const to = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  if (to !== undefined && list.children[place + to]) {
    event.preventDefault();
    $("button", list.children[place + to]).focus();
  } else if (["c", "w"].includes(event.key)) {
    at = place;
    confirm(event.key === "c").then(() => $("button", list.children[place + 1])?.focus());
  }
});

// Kept pictures become a project's: what the model said is the proposal.
async function showProjects() {
  const projects = await attempt(() => get("/projects")) ?? [];
  $("#project").replaceChildren(...projects.map((project) => new Option(project.name, project.name)));
  if (projects.some((project) => project.name === form.elements.model.value)) $("#project").value = form.elements.model.value;
  $("#take").disabled = !projects.length;
  $("#taking").textContent = projects.length ? "" : w("projects.none");
}
$("#take").addEventListener("click", () => attempt(async () => {
  const project = $("#project").value;
  const { pictured, ...values } = chosen();
  const filter = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, FIXED.includes(key) && key !== "version" ? Number(value) : value]));
  $("#take").disabled = true;
  const { job: number } = await post(`/projects/${name(project)}/take-records`, { filter });
  const job = await ended(number, ({ progress }) => { $("#taking").textContent = w("upload.progress", { done: progress.done ?? 0, total: progress.total ?? "…" }); });
  $("#take").disabled = false;
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  const { result } = await get(`/jobs/${number}`);
  $("#taking").textContent = result ? w("upload.done", { added: result.added, duplicate: result.duplicate, failed: result.refused }) : "";
  if (result) document.body.dataset.taken = String(result.added);
}));

for (const [key, value] of new URLSearchParams(location.search)) {
  if (FIXED.includes(key)) fixed[key] = value;
  else if (key === "pictured") form.elements.pictured.checked = value === "true";
  else if (form.elements[key]) form.elements[key].value = value;
}
await load({ anew: true });
if (may("operator")) await showProjects();
