// What a version's training says of it: what to expect, its hardest pictures, what would make it better.

import { name } from "./api.js";
import { $, fromTemplate, setText } from "./dom.js";
import { fraction, knows, percent, w } from "./words.js";

const { project } = document.body.dataset;

// Show it below a model's row, or take it away again.
export function toggleOutlook(element, model, outlook) {
  const place = $("tr.outlook", element);
  place.hidden = !place.hidden;
  $("[data-do=outlook]", element).setAttribute("aria-expanded", String(!place.hidden));
  $("td", place).replaceChildren(...(place.hidden ? [] : [draw(outlook)]));
}

function draw({ f1, false_alarms: alarms, hardest, seen_once: once, advice, resolution, registration }) {
  const drawn = fromTemplate("outlook");
  say(drawn, ".nothing", !f1 && !alarms && !hardest.length && !advice.length);
  say(drawn, ".f1-of", f1, () => w("outlook.f1", { low: fraction(f1[0], 2), high: fraction(f1[1], 2) }));
  say(drawn, ".alarms-of", alarms, () => w("outlook.alarms", { low: percent(alarms[0]), high: percent(alarms[1]) }));
  say(drawn, ".once", once.length, () => w("outlook.once", { kinds: once.join(", ") }));
  say(drawn, ".seen", registration || resolution);
  say(drawn, ".registration", registration, () => sentence(registration));
  say(drawn, ".resolution", resolution, () => sentence(resolution));
  say(drawn, ".hard", hardest.length);
  $(".hard ul", drawn).append(...hardest.map(drawPicture));
  say(drawn, ".help", advice.length);
  $(".help ol", drawn).append(...advice.map((one) => {
    const item = fromTemplate("advice");
    item.textContent = sentence(one);
    return item;
  }));
  return drawn;
}

function say(root, selector, isThere, text = null) {
  $(selector, root).hidden = !isThere;
  if (isThere && text) setText(root, selector, text());
}

function drawPicture({ file, label, confidence, right, id }) {
  const item = fromTemplate("hard-picture");
  setText(item, ".file", file);
  setText(item, ".said", w(right ? "outlook.right" : "outlook.wrong", { label: w(label), confidence: fraction(confidence, 2) }));
  item.classList.toggle("wrong", !right);
  if (id === null) $("img", item).hidden = true;
  else {
    const picture = `/projects/${name(project)}/pictures/${id}`;
    $("img", item).src = `/api${picture}/thumbnail`;
    $("a", item).href = `/projects/${name(project)}/paint/${id}`;
  }
  return item;
}

// A sentence in the page's language; one that is not known, or was said by an earlier version that had fewer values for
// it, is shown as it was said.
export function sentence({ key, values, more, text }) {
  if (!knows(key, values) || (more && !knows(more, values))) return text;
  return [w(key, values), more && w(more, values)].filter(Boolean).join(" ");
}
