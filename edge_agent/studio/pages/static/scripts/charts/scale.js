// From values to places, and the values that an axis names. No page here.

export function linear(from, to, start, end) {
  const factor = to === from ? 0 : (end - start) / (to - from);
  return (value) => start + (value - from) * factor;
}

// Round values from 0 to the first one that is not below `most`, some `count` of them.
export function ticks(most, count = 4) {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const found = [];
  for (let place = 0; ; place += 1) {
    found.push(Number((place * step).toPrecision(12)));
    if (found.at(-1) >= most * 0.999) return found;
  }
}

// Parts of a line without the places where there is nothing: an empty period is a gap.
export function runs(points, hasValue) {
  const found = [];
  let run = null;
  for (const point of points) {
    if (!hasValue(point)) run = null;
    else if (run) run.push(point);
    else found.push(run = [point]);
  }
  return found;
}

// Which of `count` places get a label, when each takes `width` of `room`: none that would stick out.
export function labelled(count, room, width) {
  const every = Math.max(1, Math.ceil((count * width) / Math.max(room, 1)));
  const fits = (place) => ((place + 0.5) / count) * room + width / 2 <= room + 22; // what is right of the axis
  return Array.from({ length: count }, (_, place) => place).filter((place) => place % every === 0 && fits(place));
}

// How wide a text is in a chart, at the most.
export const wide = (said) => 14 + [...said].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 12 : 6.7), 0);

// Shares that add up, for a Pareto chart.
export function cumulated(counts) {
  const all = counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  return counts.map((count) => (sum += count) / (all || 1));
}
