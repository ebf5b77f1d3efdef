import { ApiError, get, name, post, send } from "./api.js";
import { $, $$, fromTemplate } from "./dom.js";
import { freeName, lineCount, rangeOf, tops, wanted } from "./lines/editing.js";
import { outcomeText } from "./lines/words.js";
import { attempt, say } from "./messages.js";
import { w } from "./words.js";

const SOON = 350;
const text = $("#text");
const form = $("#form");
let line = document.body.dataset.line; // "" for one that is not yet there
let file = null; // as the studio has it; null for a new line
let mistakes = [];
let made = ""; // the text that the form has made last
let checking = 0; // counts what was asked, so that a late answer is not taken for the latest
let timer = 0;

const isChanged = () => text.value !== (file?.text ?? made);
const isByHand = () => !file && text.value !== made;

function drawGutter() {
  const wrong = new Set(mistakes.map((mistake) => mistake.line));
  const count = lineCount(text.value);
  const gutter = $("#gutter");
  while (gutter.children.length > count) gutter.lastChild.remove();
  while (gutter.children.length < count) gutter.append(document.createElement("li"));
  [...gutter.children].forEach((item, place) => item.classList.toggle("wrong", wrong.has(place + 1)));
  text.rows = count + 1;
}

function drawNotes() {
  const notes = mistakes.map((mistake) => {
    const item = fromTemplate("note");
    $("button", item).textContent = mistake.line ? w("lines.at_line", { line: mistake.line, text: mistake.text }) : mistake.text;
    $("button", item).addEventListener("click", () => {
      text.focus();
      text.setSelectionRange(...rangeOf(text.value, Math.max(1, mistake.line)));
    });
    return item;
  });
  $("#notes").replaceChildren(...notes);
  $(".editor").classList.toggle("has-notes", notes.length > 0);
  place();
  $("#count").textContent = mistakes.length ? w("lines.mistake_count", { count: mistakes.length }) : w("lines.right");
  $("#count").classList.toggle("problem", mistakes.length > 0);
}

// Beside their lines where there is room for that; the style sheet heeds it there alone.
function place() {
  const notes = $$("#notes li");
  const height = parseFloat(getComputedStyle(text).lineHeight);
  tops(mistakes.map((mistake) => mistake.line), notes.map((note) => note.offsetHeight), height).forEach((top, at) => { notes[at].style.top = `${top}px`; });
}
addEventListener("resize", place);

function drawButtons() {
  const changed = isChanged() || !file;
  $("#save").disabled = mistakes.length > 0 || !(changed || file?.has_draft);
  $("#save-draft").disabled = !changed;
  $("#try").disabled = mistakes.length > 0;
  $("#remove").hidden = !file;
  $("#draft").hidden = !file?.has_draft;
  $("#drop-draft").hidden = !file?.is_there;
  $("#by-hand").hidden = !isByHand();
  for (const part of $$("fieldset", form)) part.disabled = isByHand();
  $("#state").textContent = isChanged() ? w("lines.unsaved") : "";
}

function draw() {
  drawGutter();
  drawNotes();
  drawButtons();
}

function take(checked) {
  mistakes = checked.mistakes;
  draw();
}

async function check() {
  const asked = ++checking;
  const checked = await attempt(() => post("/line-check", { text: text.value }));
  if (checked && asked === checking) take(checked);
}

function later(work) {
  clearTimeout(timer);
  timer = setTimeout(work, SOON);
}

text.addEventListener("input", () => {
  drawGutter();
  drawButtons();
  later(check);
});

// The form, of a line that is not yet there.

function showAsked() {
  const chosen = Object.fromEntries(new FormData(form));
  const source = $("[name=source]", form).value;
  const framed = ["video", "gstreamer", "genicam", "segment"].includes(source);
  const rejects = $("[name=reject_from]", form).value !== "" || $("[name=reject_coverage]", form).value !== "";
  for (const part of $$("[data-for], [data-trigger], [data-pin], [data-rejects]", form)) {
    const { for: sources, trigger, pin } = part.dataset;
    const fits = (words, value) => words === undefined || words.split(" ").includes(value);
    part.hidden = !fits(sources, source) || !fits(pin, chosen.pin ?? "") || (trigger !== undefined && !(framed && fits(trigger, chosen.trigger ?? "")))
      || ("rejects" in part.dataset && !rejects);
  }
  const isChip = chosen.pin === "chip";
  for (const field of ["reject_pin", "able_pin"]) $(`[name=${field}]`, form).placeholder = isChip ? "/dev/gpiochip0" : `/tmp/${field.split("_")[0]}`;
}

async function compose() {
  const asked = ++checking;
  const checked = await attempt(() => post("/line-compose", wanted(Object.fromEntries(new FormData(form)))));
  if (!checked || asked !== checking) return;
  made = checked.text;
  text.value = made;
  take(checked);
}

form.addEventListener("input", () => {
  showAsked();
  if (!isByHand()) later(compose);
});
form.addEventListener("submit", (event) => event.preventDefault());
$("#again").addEventListener("click", () => {
  for (const part of $$("fieldset", form)) part.disabled = false;
  compose();
});

// Saving.

function hasIt(found) {
  const isNew = !line;
  file = found;
  line = found.name;
  form.hidden = true;
  $("#edit").classList.remove("new");
  $("#conflict").hidden = true;
  if (isNew) {
    history.replaceState(null, "", `/lines/${name(line)}/edit`);
    $("h1").textContent = line;
    document.title = line;
  }
  take(found);
}

async function save(draft) {
  const wantedName = line || $("[name=name]", form).value.trim();
  if (!line && !form.reportValidity()) return;
  $("#saved").hidden = true;
  try {
    const sent = text.value;
    const found = await send("PUT", `/lines/${name(wantedName)}/file`, { text: sent, revision: file?.revision ?? "", draft });
    const now = text.value;
    hasIt(found);
    if (now !== sent) text.value = now; // what was typed meanwhile is not yet saved
    drawButtons();
    say(w(draft ? "lines.draft_saved" : "lines.was_saved"));
    if (!draft) $("#saved").hidden = !(await get(`/lines/${name(line)}`)).can_stop;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error;
    $("#conflict span").textContent = error.message;
    $("#conflict").hidden = false;
    $("#load").hidden = !line; // of a name that is taken there is nothing to be loaded
  }
}

$("#save").addEventListener("click", () => attempt(() => save(false)));
$("#save-draft").addEventListener("click", () => attempt(() => save(true)));
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s") {
    event.preventDefault();
    attempt(() => save(mistakes.length > 0));
  }
});
addEventListener("beforeunload", (event) => { if (isChanged()) event.preventDefault(); });

$("#load").addEventListener("click", () => attempt(async () => {
  $("#mine").hidden = false;
  $("#mine pre").textContent = text.value;
  await open();
}));

$("#drop-draft").addEventListener("click", () => attempt(async () => {
  if (!confirm(w("lines.drop_ask"))) return;
  await send("DELETE", `/lines/${name(line)}/file`, { revision: file.revision, draft: true });
  await open();
}));

$("#remove").addEventListener("click", () => attempt(async () => {
  if (!confirm(w("lines.remove_ask", { line }))) return;
  await send("DELETE", `/lines/${name(line)}/file`, { revision: file.revision });
  file = { text: text.value };
  location.href = "/lines";
}));

$("#restart").addEventListener("click", () => attempt(async () => {
  $("#restart").disabled = true;
  try {
    await post(`/lines/${name(line)}/restart`);
    $("#saved").hidden = true;
  } finally {
    $("#restart").disabled = false;
  }
}));

// Trying.

function drawTrial(trial) {
  const running = trial.state === "running";
  $("#trial .what").textContent = trial.problem || (running ? w("lines.trying") : trial.rows.length ? "" : w("lines.nothing_waits"));
  $("#trial .what").classList.toggle("problem", Boolean(trial.problem));
  const list = $("#trial .tried");
  trial.rows.slice(list.children.length).forEach((row) => {
    const item = fromTemplate("row");
    item.dataset.outcome = row.outcome;
    if (row.picture) $("img", item).src = `/api/line-trials/${trial.id}/pictures/${list.children.length}`;
    $(".frame", item).hidden = !row.picture;
    $("img", item).alt = row.part;
    $(".outcome", item).textContent = outcomeText(row.outcome);
    $(".reason", item).textContent = row.reason;
    $("small", item).textContent = row.picture ? `${row.part} · ${row.milliseconds.toFixed(1)} ms` : row.part;
    list.append(item);
  });
}

$("#try").addEventListener("click", () => attempt(async () => {
  $("#try").disabled = true;
  try {
    const { trial: number } = await post("/line-trials", { text: text.value });
    $("#trial").hidden = false;
    $("#trial .tried").replaceChildren();
    for (let trial = { state: "running" }; trial.state === "running";) {
      trial = await get(`/line-trials/${number}`);
      drawTrial(trial);
      if (trial.state === "running") await new Promise((resolve) => { setTimeout(resolve, 300); });
    }
    $("#trial").scrollIntoView({ behavior: "smooth", block: "nearest" });
  } finally {
    drawButtons();
  }
}));

// Opening.

async function open() {
  const found = await get(`/lines/${name(line)}/file`);
  text.value = found.text;
  hasIt(found);
}

async function begin() {
  form.hidden = false;
  $("#edit").classList.add("new");
  const [{ lines }, { models }] = await Promise.all([get("/lines"), get("/device")]);
  $("#models").replaceChildren(...models.map((model) => new Option(model.name, model.name)));
  $("[name=model]", form).value = models[0]?.name ?? "";
  $("[name=name]", form).value = freeName(lines.map((one) => one.name));
  showAsked();
  await compose();
}

await attempt(line ? open : begin);
document.body.dataset.ready = "true";
