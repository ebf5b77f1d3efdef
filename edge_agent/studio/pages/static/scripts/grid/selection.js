// Which pictures are selected. A selection is never changed: each function gives a new one. No page here.

export const NONE = { ids: new Set(), anchor: null };

export function only(id, index) {
  return { ids: new Set([id]), anchor: index };
}

export function toggled(selection, id, index) {
  const ids = new Set(selection.ids);
  if (!ids.delete(id)) ids.add(id);
  return { ids, anchor: index };
}

// Select from the anchor to `index`; `idAt` gives the number of the picture at a place, undefined if it isn't known.
export function extended(selection, index, idAt) {
  const from = selection.anchor ?? index;
  const ids = new Set();
  for (let at = Math.min(from, index); at <= Math.max(from, index); at += 1) {
    const id = idAt(at);
    if (id !== undefined) ids.add(id);
  }
  return { ids, anchor: from };
}

export function all(ids) {
  return { ids: new Set(ids), anchor: 0 };
}
