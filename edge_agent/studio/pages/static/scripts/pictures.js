import { get, name, post, query } from "./api.js";
import { $, $$, ask, isTyping, may } from "./dom.js";
import { ended } from "./events.js";
import { Grid } from "./grid/grid.js";
import { moved } from "./grid/layout.js";
import { all, extended, NONE, only, toggled } from "./grid/selection.js";
import { editLabels } from "./labels.js";
import { attempt, say } from "./messages.js";
import { droppedFiles, Uploads } from "./upload.js";
import { w } from "./words.js";

const project = document.body.dataset.project;
const api = `/projects/${name(project)}`;
const form = $("#filter");
let selection = NONE;
let focus = 0;

const wanted = () => Object.fromEntries(new FormData(form));

const grid = new Grid($("#grid"), {
  load: (offset, limit) => get(`${api}/pictures?${query({ ...wanted(), offset, limit })}`),
  source: (picture) => ({
    thumbnail: `/api${api}/pictures/${picture.id}/thumbnail`,
    layer: picture.marked.length ? `/api${api}/pictures/${picture.id}/layer?r=${picture.revision}` : "",
  }),
  onDraw: mark,
});

function mark() {
  for (const [index, tile] of grid.tiles) {
    const selected = tile.picture !== undefined && selection.ids.has(tile.picture.id);
    tile.classList.toggle("selected", selected);
    tile.setAttribute("aria-selected", selected);
    tile.classList.toggle("focus", index === focus);
  }
  const at = grid.at(focus);
  if (at) $("#grid").setAttribute("aria-activedescendant", `picture-${at.id}`);
  $("#selected").textContent = selection.ids.size ? w("pictures.selected", { count: selection.ids.size }) : "";
  for (const button of $$("#bulk button")) button.disabled = !selection.ids.size;
  $("#count").textContent = w("pictures.count", { count: grid.total });
}

async function refresh(options) {
  await attempt(() => grid.refresh(options));
  const filtered = Object.entries(wanted()).some(([key, value]) => key !== "order" && value !== "");
  $("#none").hidden = grid.total > 0 || filtered;
  $("#none-filter").hidden = grid.total > 0 || !filtered;
  $("#grid").hidden = grid.total === 0;
  mark();
}

// The filter stands in the address, so that a page can be kept and sent.
function filterFromAddress() {
  for (const [key, value] of new URLSearchParams(location.search)) {
    if (form.elements[key]) form.elements[key].value = value;
  }
}

form.addEventListener("input", () => {
  const text = query(wanted());
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
  selection = NONE;
  focus = 0;
  grid.reset();
  refresh();
});
form.addEventListener("submit", (event) => event.preventDefault());

async function tell(change) {
  if (!selection.ids.size || !may("operator")) return;
  await attempt(() => post(`${api}/pictures/say`, { pictures: [...selection.ids], ...change }));
  await refresh({ keep: true });
}

const actions = {
  n: () => tell({ class: "normal" }),
  a: () => tell({ class: "anomaly" }),
  u: () => tell({ class: null }),
  t: () => tell({ part: $$(".tile.selected").every((tile) => tile.dataset.part === "test") ? "train" : "test" }),
  p: paint,
};

function paint() {
  const id = selection.ids.size ? [...selection.ids][0] : grid.at(focus)?.id;
  if (id && may("operator")) location.href = `/projects/${name(project)}/paint/${id}${location.search}`;
}

for (const button of $$("#bulk [data-say]")) {
  button.addEventListener("click", () => tell({ class: button.dataset.say === "none" ? null : button.dataset.say }));
}
for (const button of $$("#bulk [data-part]")) {
  button.addEventListener("click", () => tell({ part: button.dataset.part }));
}
$("#paint").addEventListener("click", paint);
$("#remove").addEventListener("click", async () => {
  if (!confirm(w("pictures.remove_ask", { count: selection.ids.size }))) return;
  await attempt(() => post(`${api}/pictures/remove`, { pictures: [...selection.ids] }));
  selection = NONE;
  refresh({ keep: true });
});
$("#select-all").addEventListener("click", async () => {
  selection = all(await attempt(() => get(`${api}/picture-numbers?${query(wanted())}`)) ?? []);
  mark();
});

$("#grid").addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile?.picture) return;
  const index = Number(tile.dataset.index);
  focus = index;
  if (event.shiftKey) selection = extended(selection, index, (at) => grid.at(at)?.id);
  else if (event.ctrlKey || event.metaKey || matchMedia("(pointer: coarse)").matches) selection = toggled(selection, tile.picture.id, index);
  else selection = only(tile.picture.id, index);
  mark();
});
$("#grid").addEventListener("dblclick", paint);

addEventListener("keydown", (event) => {
  if (isTyping(event) || event.altKey) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "a") {
    event.preventDefault();
    $("#select-all").click();
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  const to = moved(grid.measure(), grid.total, focus, event.key, Math.floor($("#grid").clientHeight / (grid.grid.height + grid.grid.gap)));
  if (to !== null && document.activeElement === $("#grid")) {
    event.preventDefault();
    focus = to;
    grid.show(to);
    grid.draw();
    const picture = grid.at(to);
    if (event.shiftKey) selection = extended(selection, to, (at) => grid.at(at)?.id);
    else if (picture) selection = only(picture.id, to);
    mark();
  } else if (event.key === " " && document.activeElement === $("#grid")) {
    event.preventDefault();
    const picture = grid.at(focus);
    if (picture) selection = toggled(selection, picture.id, focus);
    mark();
  } else if (event.key === "Enter" && document.activeElement === $("#grid")) {
    paint();
  } else if (actions[event.key.toLowerCase()] && !event.target.closest("button")) {
    actions[event.key.toLowerCase()]();
  }
});

const uploads = new Uploads(project, () => refresh({ keep: true }));
function sendChosen() {
  const files = [...$("#files").files];
  $("#files").value = "";
  if (files.length) uploads.add(files);
}
$("#files").addEventListener("change", sendChosen);
sendChosen(); // files that somebody chose while the page was still being loaded
if (may("operator")) {
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    uploads.add(await droppedFiles(event.dataTransfer));
  });
}

$("#from-folder").addEventListener("click", async () => {
  const chosen = await ask($("#folder-dialog"));
  if (!chosen?.path) return;
  const started = await attempt(() => post(`${api}/import`, chosen));
  if (started) await followImport(started.job);
});

async function followImport(number) {
  const job = await ended(number, () => refresh({ keep: true }));
  if (job.state === "failed") say(`${w("failed")}: ${job.problem}`, { error: true });
  const { result } = await get(`/jobs/${number}`);
  if (result) say(w("upload.done", { added: result.added, duplicate: result.duplicate, failed: result.refused }));
  await showLabels();
  refresh({ keep: true });
}

async function showLabels(known) {
  const { labels } = known ?? await get(api);
  const list = form.elements.label;
  const chosen = list.value;
  list.replaceChildren(list.options[0], ...labels.map((label) => new Option(label.name, label.name)));
  list.value = chosen;
}
$("#labels").addEventListener("click", async () => showLabels(await editLabels(project)));

await attempt(showLabels);
filterFromAddress();
await refresh();
$("#grid").focus();
// A sample, or a folder, may still be on its way in.
for (const job of await attempt(() => get(`/jobs?${query({ project })}`)) ?? []) {
  if (job.kind === "import" && ["waiting", "running"].includes(job.state)) followImport(job.id);
}
