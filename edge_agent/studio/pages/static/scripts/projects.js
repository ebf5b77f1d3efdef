import { get, name, post } from "./api.js";
import { $, fromTemplate, setText } from "./dom.js";
import { begin } from "./guide.js";
import { attempt } from "./messages.js";
import { w } from "./words.js";

function card(project) {
  const element = fromTemplate("project");
  element.href = `/projects/${name(project.name)}`;
  setText(element, "b", project.name);
  setText(element, ".description", project.description);
  setText(element, ".counts", w("projects.counts", project));
  const image = $("img", element);
  if (project.cover) image.src = `/api/projects/${name(project.name)}/pictures/${project.cover}/thumbnail`;
  else image.hidden = true;
  return element;
}

function draw(projects) {
  const list = $("#projects");
  list.replaceChildren(...(projects.length ? projects.map(card) : [fromTemplate("none")]));
  list.removeAttribute("aria-busy");
  // Whoever is here for the first time is shown the sample first.
  $("#start").classList.toggle("first", projects.length === 0);
  $("#demo").classList.toggle("primary", projects.length === 0);
}

function freeName(projects) {
  const taken = new Set(projects.map((project) => project.name));
  let free = "flange";
  for (let number = 2; taken.has(free); number += 1) free = `flange-${number}`;
  return free;
}

const projects = await attempt(() => get("/projects")) ?? [];
draw(projects);

$("#new").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const made = await post("/projects", Object.fromEntries(new FormData(event.target)));
    location.href = `/projects/${name(made.name)}`;
  });
});

$("#demo").addEventListener("click", (event) => {
  event.target.disabled = true;
  attempt(async () => {
    const project = freeName(projects);
    await post("/demo", { name: project });
    begin(project);
    location.href = `/projects/${name(project)}`;
  }).finally(() => { event.target.disabled = false; });
});
