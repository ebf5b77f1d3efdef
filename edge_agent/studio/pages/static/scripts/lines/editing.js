// What the editor of a line's file knows, without a page: tested by node.

// Where a line (from 1) begins and ends in a text.
export function rangeOf(text, line) {
  let start = 0;
  for (let at = 1; at < line; at += 1) {
    const next = text.indexOf("\n", start);
    if (next < 0) break;
    start = next + 1;
  }
  const end = text.indexOf("\n", start);
  return [start, end < 0 ? text.length : end];
}

export const lineCount = (text) => text.split("\n").length;

// Where notes stand: each beside its line, or below the one before it where that is longer. Heights are theirs.
export function tops(lines, heights, lineHeight) {
  let free = 0;
  return lines.map((line, place) => {
    const top = Math.max(free, (Math.max(1, line) - 1) * lineHeight);
    free = top + heights[place] + 4;
    return top;
  });
}

const NUMBERS = ["cycle_ms", "port", "width", "height", "interval_ms", "trigger_port", "delay_ms", "look_below", "reject_from", "reject_coverage", "pulse_ms"];

// What the API is asked for, from the values of the form. What is not shown, or left empty, is left out.
export function wanted(values) {
  const asked = {};
  for (const [key, value] of Object.entries(values)) {
    const text = value.trim();
    if (key.endsWith("_place")) {
      if (key === `${values.source}_place`) asked.place = text;
    } else if (!NUMBERS.includes(key)) asked[key] = text;
    else if (text !== "") asked[key] = Number(text);
    else if (key === "look_below") asked[key] = null; // nobody is to look, which is not the default
  }
  return asked;
}

// The first of line-1, line-2, … that is not taken.
export function freeName(names) {
  for (let number = 1; ; number += 1) if (!names.includes(`line-${number}`)) return `line-${number}`;
}
