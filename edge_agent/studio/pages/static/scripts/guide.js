// The way from the sample part's first picture to its line, a step at a time, for who has asked for it.

import { get, name, query } from "./api.js";
import { $, fromTemplate, setText } from "./dom.js";
import { onJobs } from "./events.js";
import { w } from "./words.js";

const KEY = "guide";
const EVERY = 4000;
const DRAWN_WITH_CLASS = 30; // of the sample's pictures

export const begin = (project) => localStorage.setItem(KEY, project);

// What has been done, and where each step is done. Each step: [its words, is it done, where].
async function steps(project) {
  const api = `/projects/${name(project)}`;
  const [found, anomalous, judged, models, device] = await Promise.all([
    get(api), get(`${api}/pictures?${query({ class: "anomaly", limit: 200 })}`),
    get(`${api}/pictures?${query({ class: "labelled", order: "doubt", limit: 1 })}`), get(`${api}/models`), get("/device"),
  ]);
  const served = device.models.find((model) => model.name === project);
  const seen = await get(`/records?${query({ model: project, limit: 1 })}`).catch(() => ({ records: [] }));
  const [first] = anomalous.pictures;
  const page = `/projects/${name(project)}`;
  return [
    [w("guide.pictures"), found.normal + found.anomaly > 0, page],
    [w("guide.classes"), found.normal + found.anomaly > DRAWN_WITH_CLASS, `${page}?class=none`],
    [w("guide.masks"), anomalous.pictures.some((picture) => picture.marked.length), first ? `${page}/paint/${first.id}?class=anomaly` : page],
    [w("guide.train"), models.length > 0, `${page}/models`],
    [w("guide.try"), judged.pictures.some((picture) => picture.score !== null), `${page}/try`],
    [w(served?.deployed ? "guide.start" : "guide.deploy"), Boolean(served?.deployed) && served.status === "RUNNING", served?.deployed ? "/device" : `${page}/models`],
    [w("guide.watch"), seen.records.length > 0, "/device"],
  ];
}

function draw(found) {
  const at = found.findIndex(([, isDone]) => !isDone);
  const [words, , where] = found[at] ?? [w("guide.done"), true, "/dashboard"];
  $("#guide .steps").replaceChildren(...found.map(([text, isDone, href], place) => {
    const item = fromTemplate("guide-step");
    const link = $("a", item);
    link.href = href;
    link.title = text;
    setText(item, "a", isDone ? "✓" : place + 1);
    item.dataset.state = isDone ? "done" : place === at ? "next" : "later";
    return item;
  }));
  setText($("#guide"), ".what", words);
  $("#guide .go").href = where;
  const here = `${location.pathname}${location.search}`;
  $("#guide .go").hidden = where.split("?")[0] === location.pathname && (!where.includes("?") || here === where);
  $("#guide").hidden = false;
}

export function guide() {
  const project = localStorage.getItem(KEY);
  if (!project) return;
  const look = async () => {
    if (document.hidden || localStorage.getItem(KEY) !== project) return;
    try {
      draw(await steps(project));
    } catch (error) {
      if (error.status === 404) localStorage.removeItem(KEY); // the sample was removed
      $("#guide").hidden = true;
    }
  };
  $("#guide .close").addEventListener("click", () => {
    localStorage.removeItem(KEY);
    $("#guide").hidden = true;
  });
  onJobs(look);
  setInterval(look, EVERY);
  look();
}
