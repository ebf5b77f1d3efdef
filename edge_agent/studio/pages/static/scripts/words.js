// All words that scripts show, in the page's language.

const response = await fetch(`/words/${document.documentElement.lang}.json`);
const words = await response.json();

// Tell whether there are words for a key, as a program of another version may name, and values for their places.
export const knows = (key, values = {}) => key in words
  && [...words[key].matchAll(/\{(\w+)\}/g)].every(([, name]) => name in values);

export function w(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// Words for the step that a job is at, and of what: another program says both in English, behind commas.
export const stepWords = (said) => said.split(", ").map((part) => {
  const key = `step.${part.replaceAll(" ", "_")}`;
  return knows(key) ? w(key) : part;
}).join(", ");

const language = document.documentElement.lang;
const bytes = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const times = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "short" });

export const when = (seconds) => times.format(new Date(seconds * 1000));
export const mebibytes = (count) => `${bytes.format(count / 2 ** 20)} MiB`;
export const fraction = (value, digits = 3) => (value === undefined || value === null ? "–" : value.toFixed(digits));
const shares = new Intl.NumberFormat(language, { style: "percent" });
export const percent = (value) => shares.format(value);
export function duration(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
}
