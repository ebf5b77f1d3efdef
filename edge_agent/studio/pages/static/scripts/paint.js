// The page on which masks are painted: it turns what hands do into changes of a label map.

import { get, name, post, query } from "./api.js";
import { $, $$, fromTemplate, isTyping, may } from "./dom.js";
import { editLabels } from "./labels.js";
import { attempt, say } from "./messages.js";
import { History } from "./paint/history.js";
import { LabelMap, Recorder } from "./paint/labelmap.js";
import { Pinch } from "./paint/pinch.js";
import { readMask, Saving } from "./paint/saving.js";
import { clear, fill, fillHoles, line, polygon, replace, wand } from "./paint/strokes.js";
import { View } from "./paint/view.js";
import { w } from "./words.js";

const { project } = document.body.dataset;
const api = `/projects/${name(project)}`;
const stage = $("#stage");
const view = new View(stage, $("#sheet"), $("#overlay"), $("#sketch"));
const history_ = new History();
const settings = { tool: "brush", label: 1, size: 12, opacity: 55, tolerance: 24, ...JSON.parse(localStorage.getItem("paint") ?? "{}") };

let picture = await get(`${api}/pictures/${document.body.dataset.picture}`);
let labels = (await get(api)).labels;
let numbers = await get(`${api}/picture-numbers?${location.search.slice(1)}`);
let map;
let saving;
let pixels = null;
let stroke = null; // the recorder, the label and the last point of a stroke under way
let points = []; // of a polygon under way
const pinch = new Pinch();
let pressed = new Set(); // keys that are held

// --- opening

async function open(number) {
  await saving?.flush();
  saving?.close();
  picture = await get(`${api}/pictures/${number}`);
  const image = $("#picture");
  image.src = `/api${api}/pictures/${number}/image`;
  const [{ data, revision }] = await Promise.all([readMask(project, number), image.decode().catch(() => {})]);
  map = new LabelMap(picture.width, picture.height, data);
  history_.forget();
  points = [];
  view.drawSketch(points);
  pixels = null;
  saving = new Saving(project, number, map, revision, tell);
  view.open(map, labels.map((label) => label.color));
  $("#file").textContent = picture.file;
  $("#conflict").hidden = true;
  history.replaceState(null, "", `/projects/${name(project)}/paint/${number}${location.search}`);
  const { data: proposed } = await readMask(project, number, "proposal");
  $("#proposal").disabled = !proposed.some((value) => value);
  $("#proposal").onclick = () => change((recorder) => replace(map, recorder, proposed));
  tell("saved");
  showButtons();
}

function tell(state, error) {
  const words = { saved: "paint.saved", saving: "paint.saving", unsaved: "paint.unsaved", conflict: "paint.conflict", failed: "paint.unsaved" };
  const why = error?.status === 401 ? w("paint.signed_out") : error?.message || w("offline");
  $("#state").textContent = w(words[state]) + (state === "failed" ? ` – ${why}` : "");
  $("#sign-in-beside").hidden = error?.status !== 401;
  $("#state").dataset.state = state;
  if (state === "conflict") {
    $("#conflict").hidden = false;
    $("#conflict p").textContent = error.message;
  }
}
$("#conflict button").addEventListener("click", () => open(picture.id));

// --- changing

function change(work) {
  const recorder = new Recorder(map);
  view.draw(work(recorder));
  commit(recorder);
}

function commit(recorder) {
  const done = recorder.finish();
  if (!done) return;
  history_.push(done);
  localStorage.setItem(`last-mask ${project}`, String(picture.id));
  saving.changed(done);
  showButtons();
}

function step(way) {
  const made = history_[way](map);
  if (!made) return;
  for (const rect of map.rectsOf(made.tiles.keys())) view.draw(rect);
  saving.changed(made);
  showButtons();
}

function showButtons() {
  $("#undo").disabled = !history_.canUndo;
  $("#redo").disabled = !history_.canRedo;
  for (const button of $$("[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === settings.tool);
  for (const button of $$("#label-buttons button")) button.setAttribute("aria-pressed", Number(button.dataset.label) === settings.label);
  const last = Number(localStorage.getItem(`last-mask ${project}`));
  $("#previous").disabled = !last || last === picture.id;
  $("#no-labels").hidden = labels.length > 0;
}

function isErasing(event) {
  return settings.tool === "eraser" || event.button === 2 || (event.buttons & 2) !== 0 || pressed.has("x");
}

function pixelsOfPicture() {
  if (!pixels) {
    const canvas = new OffscreenCanvas(map.width, map.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage($("#picture"), 0, 0, map.width, map.height);
    pixels = context.getImageData(0, 0, map.width, map.height).data;
  }
  return pixels;
}

const radius = () => settings.size / 2;

stage.addEventListener("pointerdown", (event) => {
  if (event.target.closest(".notice")) return;
  stage.focus();
  pinch.down(event);
  if (pinch.isTwo) return takeBack(); // the first finger did not mean to paint
  if (event.button === 1 || pressed.has(" ")) {
    stroke = { pan: true, x: event.clientX, y: event.clientY };
  } else if (may("operator")) {
    if (!labels.length && !isErasing(event)) return;
    begin(event);
  }
  return stage.setPointerCapture(event.pointerId);
});

// Forget a stroke under way.
function takeBack() {
  moves = [];
  if (stroke?.recorder) restore(stroke.recorder);
  stroke = null;
}

// What a stroke has touched is again as it was.
function restore({ before }) {
  for (const [number, pixels_] of before) map.writeTile(number, pixels_);
  for (const rect of map.rectsOf(before.keys())) view.draw(rect);
}

function begin(event) {
  const at = view.point(event);
  const label = isErasing(event) ? 0 : settings.label;
  const recorder = new Recorder(map);
  if (settings.tool === "polygon" && label) {
    points.push(at);
    view.drawSketch(points);
  } else if (settings.tool === "wand" && label) {
    stroke = { recorder, label, wand: at, x: event.clientX, tolerance: settings.tolerance };
    drawWand();
  } else if (settings.tool === "fill" && label) {
    view.draw(fill(map, recorder, at, label));
    commit(recorder);
  } else {
    stroke = { recorder, label, last: at };
    moves.push(event);
    plan();
  }
}

// While it is dragged to the right the wand takes in more, to the left less.
function drawWand() {
  stroke.drawn = stroke.tolerance;
  restore(stroke.recorder);
  view.draw(wand(map, stroke.recorder, pixelsOfPicture(), stroke.wand, stroke.tolerance, stroke.label));
}

// Points are collected, and drawn once a frame.
let moves = [];
let pointer = null;
let planned = 0;

function plan() {
  planned ||= requestAnimationFrame(work);
}

function work() {
  cancelAnimationFrame(planned);
  planned = 0;
  const points_ = moves;
  moves = [];
  if (pointer) showCursor(pointer);
  if (!stroke || !points_.length) return;
  if (stroke.wand) {
    stroke.tolerance = Math.min(128, Math.max(0, settings.tolerance + Math.round((points_.at(-1).clientX - stroke.x) / 4)));
    $("#tolerance-shown").textContent = stroke.tolerance;
    if (stroke.tolerance !== stroke.drawn) drawWand();
  } else if (!stroke.pan) {
    for (const moved of points_) {
      const at = view.point(moved);
      line(map, stroke.recorder, stroke.last, at, radius(), stroke.label);
      stroke.last = at;
    }
    for (const rect of stroke.recorder.takeUndrawn()) view.draw(rect);
  }
}

stage.addEventListener("pointermove", (event) => {
  pointer = event;
  plan();
  const fingers = pinch.move(event);
  if (fingers) {
    const box = view.place;
    view.pan(fingers.dx, fingers.dy);
    view.zoomAt(fingers.x - box.left, fingers.y - box.top, fingers.factor);
  }
  if (!stroke) return;
  if (stroke.pan) {
    view.pan(event.clientX - stroke.x, event.clientY - stroke.y);
    stroke.x = event.clientX;
    stroke.y = event.clientY;
  } else {
    const all = event.getCoalescedEvents?.() ?? [];
    moves.push(...(all.length ? all : [event]));
  }
});

function finish(event) {
  pinch.up(event);
  work();
  if (stroke?.recorder) commit(stroke.recorder);
  if (stroke?.wand) set("tolerance", stroke.tolerance);
  stroke = null;
}
stage.addEventListener("pointerup", finish);
stage.addEventListener("pointercancel", finish);
stage.addEventListener("pointerleave", () => { pointer = null; $("#cursor").hidden = true; });
stage.addEventListener("contextmenu", (event) => event.preventDefault());
stage.addEventListener("dblclick", closePolygon);

function closePolygon() {
  if (points.length >= 3) change((recorder) => polygon(map, recorder, points, settings.label));
  points = [];
  view.drawSketch(points);
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = view.place;
  view.zoomAt(event.clientX - box.left, event.clientY - box.top, Math.exp(-event.deltaY / 400));
  showCursor(event);
}, { passive: false });

function showCursor(event) {
  const cursor = $("#cursor");
  const side = Math.max(4, settings.size * view.zoom);
  cursor.hidden = !["brush", "eraser"].includes(settings.tool);
  const box = view.place;
  cursor.style.width = cursor.style.height = `${side}px`;
  cursor.style.transform = `translate(${event.clientX - box.left - side / 2}px, ${event.clientY - box.top - side / 2}px)`;
}

// --- settings

function set(key, value) {
  settings[key] = value;
  localStorage.setItem("paint", JSON.stringify(settings));
  showSettings();
}

function showSettings() {
  settings.label = Math.min(Math.max(1, settings.label), Math.max(1, labels.length));
  for (const key of ["size", "opacity", "tolerance"]) $(`#${key}`).value = settings[key];
  $("#size-shown").textContent = settings.size;
  $("#tolerance-shown").textContent = settings.tolerance;
  $("#overlay").style.opacity = settings.opacity / 100;
  if (map) showButtons();
}

for (const key of ["size", "opacity", "tolerance"]) {
  $(`#${key}`).addEventListener("input", (event) => set(key, Number(event.target.value)));
}
for (const button of $$("[data-tool]")) button.addEventListener("click", () => choose(button.dataset.tool));

function choose(tool) {
  if (tool !== "polygon") {
    points = [];
    view.drawSketch(points);
  }
  set("tool", tool);
}

function showLabels() {
  $("#label-buttons").replaceChildren(...labels.map((label, at) => {
    const button = fromTemplate("label-button");
    button.dataset.label = at + 1;
    $(".swatch", button).style.background = label.color;
    $("span", button).textContent = label.name;
    $("kbd", button).textContent = at < 9 ? at + 1 : "";
    button.addEventListener("click", () => set("label", at + 1));
    return button;
  }));
}

$("#labels").addEventListener("click", async () => {
  await saving.flush();
  labels = (await editLabels(project)).labels;
  showLabels();
  view.setColors(labels.map((label) => label.color));
  showSettings();
});

// --- buttons and keys

async function go(way) {
  const at = numbers.indexOf(picture.id);
  const next = numbers[at + way];
  if (next !== undefined) await attempt(() => open(next));
}

async function good() {
  if (!map.isEmpty) change((recorder) => clear(map, recorder));
  await saving.flush();
  await attempt(() => post(`${api}/pictures/say`, { pictures: [picture.id], class: "normal" }));
  await go(1);
}

async function takePrevious() {
  const last = Number(localStorage.getItem(`last-mask ${project}`));
  const from = await attempt(() => readMask(project, last));
  if (!from) return;
  if (from.data.length === map.data.length) change((recorder) => replace(map, recorder, from.data));
  else say(w("failed"), { error: true });
}

const resize = (by) => set("size", Math.min(200, Math.max(1, Math.round(settings.size * by + Math.sign(by - 1)))));
const keys = {
  b: () => choose("brush"), e: () => choose("eraser"), l: () => choose("polygon"), w: () => choose("wand"), f: () => choose("fill"),
  "[": () => resize(0.85), "]": () => resize(1.18), 0: () => view.fit(), n: good, ",": () => go(-1), ".": () => go(1),
  "+": () => view.zoomAt(stage.clientWidth / 2, stage.clientHeight / 2, 1.25), "-": () => view.zoomAt(stage.clientWidth / 2, stage.clientHeight / 2, 0.8),
  enter: closePolygon, escape: () => { points = []; view.drawSketch(points); },
};

addEventListener("keydown", (event) => {
  if (isTyping(event) || !may("operator")) return;
  const key = event.key.toLowerCase();
  pressed.add(key);
  if (key === " " && event.target === stage) event.preventDefault();
  if (event.ctrlKey || event.metaKey) {
    const way = key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : null;
    if (way) {
      event.preventDefault();
      step(way);
    }
    return;
  }
  if (event.target.closest("button") && key === "enter") return;
  if (/^[1-9]$/.test(key) && Number(key) <= labels.length) set("label", Number(key));
  else keys[key]?.();
});
addEventListener("keyup", (event) => pressed.delete(event.key.toLowerCase()));
addEventListener("blur", () => { pressed = new Set(); });

$("#undo").addEventListener("click", () => step("undo"));
$("#redo").addEventListener("click", () => step("redo"));
$("#clear").addEventListener("click", () => change((recorder) => clear(map, recorder)));
$("#holes").addEventListener("click", () => change((recorder) => fillHoles(map, recorder, settings.label)));
$("#previous").addEventListener("click", takePrevious);
$("#good").addEventListener("click", good);
$("#fit").addEventListener("click", () => view.fit());
$("#next").addEventListener("click", () => go(1));
$("#back").addEventListener("click", () => go(-1));
addEventListener("resize", () => view.fit());
addEventListener("visibilitychange", () => { if (document.hidden) saving?.flush(); });
addEventListener("beforeunload", (event) => { if (saving?.isDirty && !saving.isStopped) event.preventDefault(); });

showLabels();
await attempt(() => open(picture.id));
showSettings();
stage.focus();
document.body.dataset.ready = "true";
