// The dialog in which the kinds of anomaly get names and colours.

import { get, name, send } from "./api.js";
import { $, $$, ask, fromTemplate } from "./dom.js";
import { attempt } from "./messages.js";

const COLORS = ["#E8540C", "#2CA02C", "#1F77B4", "#9467BD", "#D62728", "#17BECF", "#BCBD22", "#8C564B", "#E377C2", "#7F7F7F"];

function row(label) {
  const element = fromTemplate("label-row");
  $("input[type=color]", element).value = label.color.toLowerCase();
  $("input[type=text]", element).value = label.name;
  return element;
}

function entered() {
  return $$("#label-list li")
    .map((element) => ({ name: $("input[type=text]", element).value.trim(), color: $("input[type=color]", element).value }))
    .filter((label) => label.name);
}

$("#label-add").addEventListener("click", () => {
  const used = new Set(entered().map((label) => label.color.toUpperCase()));
  const element = row({ name: "", color: COLORS.find((color) => !used.has(color)) ?? COLORS[0] });
  $("#label-list").append(element);
  $("input[type=text]", element).focus();
});

// Let a person change the labels of a project; resolves with the project as it is then.
export async function editLabels(project) {
  const labels = (await get(`/projects/${name(project)}`)).labels;
  $("#label-list").replaceChildren(...labels.map(row));
  if (!labels.length) $("#label-add").click();
  if (await ask($("#labels-dialog")) !== null) {
    await attempt(() => send("PATCH", `/projects/${name(project)}`, { labels: entered() }));
  }
  return get(`/projects/${name(project)}`);
}
