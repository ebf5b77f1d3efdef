// Where tiles lie in a grid that is too long to be drawn whole. No page here.

export function layout(width, count, { tile = 170, gap = 10, height = 158 } = {}) {
  const columns = Math.max(1, Math.floor((width + gap) / (tile + gap)));
  const side = (width - gap * (columns - 1)) / columns;
  return { columns, side, gap, height, rows: Math.ceil(count / columns), full: Math.ceil(count / columns) * (height + gap) };
}

export function place(grid, index) {
  const row = Math.floor(index / grid.columns);
  return { left: (index % grid.columns) * (grid.side + grid.gap), top: row * (grid.height + grid.gap) };
}

// The first tile to be drawn, and the one after the last, for what is scrolled to; some rows more on both sides.
export function visible(grid, count, scrolled, height, margin = 2) {
  const step = grid.height + grid.gap;
  const first = Math.max(0, Math.floor(scrolled / step) - margin);
  const last = Math.ceil((scrolled + height) / step) + margin;
  return { first: first * grid.columns, end: Math.min(count, last * grid.columns) };
}

// The tile that a key leads to from another one; null for a key that leads nowhere.
export function moved(grid, count, index, key, page) {
  const steps = {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -grid.columns, ArrowDown: grid.columns,
    PageUp: -page * grid.columns, PageDown: page * grid.columns, Home: -index, End: count - 1 - index,
  };
  if (!(key in steps) || !count) return null;
  return Math.min(count - 1, Math.max(0, index + steps[key]));
}
