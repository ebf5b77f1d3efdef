// Keeps a copy of a mask beside the page, and packs it there: a worker, so that no stroke waits for it. What comes is a
// whole mask, then the tiles that changed; each request to pack is answered with the bytes of a gzip file.

import { LabelMap } from "./labelmap.js";

let map;

addEventListener("message", async ({ data }) => {
  if (data.open) {
    map = new LabelMap(data.open.width, data.open.height, data.open.data);
  } else if (data.tiles) {
    for (const [number, pixels] of data.tiles) map.writeTile(number, pixels);
  } else {
    const stream = new Blob([map.data]).stream().pipeThrough(new CompressionStream("gzip"));
    const packed = await new Response(stream).arrayBuffer();
    postMessage({ id: data.pack, packed }, [packed]);
  }
});
