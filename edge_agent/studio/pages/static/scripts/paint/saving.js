// Keeps a mask safe: sent after every stroke, one request at a time, with the revision that it builds on.

import { call, name } from "../api.js";

const AGAIN = 3000; // milliseconds after a request that got no answer

// Packs a mask in a worker, which has a copy of it; where there is none, here.
class Packing {
  constructor(map) {
    this.map = map;
    this.asked = new Map();
    try {
      this.worker = new Worker(new URL("./packing.js", import.meta.url), { type: "module" });
      this.worker.onmessage = ({ data }) => this.answered(data.id, data.packed);
      this.worker.onerror = () => this.close();
      const { width, height } = map;
      const data = map.data.slice();
      this.worker.postMessage({ open: { width, height, data } }, [data.buffer]);
    } catch {
      this.worker = null;
    }
  }

  // `change` is what labelmap.js makes of a stroke.
  note(change) {
    this.worker?.postMessage({ tiles: [...change.tiles].map(([number, { after }]) => [number, after]) });
  }

  async pack() {
    if (this.worker) {
      const id = Math.random();
      const packed = await new Promise((resolve) => {
        this.asked.set(id, resolve);
        this.worker.postMessage({ pack: id });
      });
      if (packed) return packed;
    }
    return new Response(new Blob([this.map.data]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
  }

  answered(id, packed) {
    this.asked.get(id)?.(packed);
    this.asked.delete(id);
  }

  close() {
    this.worker?.terminate();
    this.worker = null;
    for (const id of [...this.asked.keys()]) this.answered(id, null);
  }
}

export async function readMask(project, picture, of = "mask") {
  const response = await call("GET", `/projects/${name(project)}/pictures/${picture}/mask?of=${of}`);
  const revision = Number((response.headers.get("etag") ?? "").replaceAll(/\D/g, "")) || 0;
  return { data: new Uint8Array(await response.arrayBuffer()), revision };
}

export class Saving {
  // `tell(state, error)` is told "unsaved", "saving", "saved", "conflict" or "failed".
  constructor(project, picture, map, revision, tell) {
    this.path = `/projects/${name(project)}/pictures/${picture}/mask`;
    this.map = map;
    this.revision = revision;
    this.tell = tell;
    this.isDirty = false;
    this.isSending = false;
    this.isStopped = false;
    this.packing = new Packing(map);
  }

  close() {
    this.packing.close();
    delete document.body.dataset.unsaved;
  }

  changed(change) {
    this.packing.note(change);
    this.isDirty = true;
    this.tell("unsaved");
    // At once, however quickly strokes follow each other: while one is sent, those that come are sent together next.
    if (!this.isWaiting) this.flush();
  }

  // Send what has not been sent; resolves when all is safe, or can't be.
  async flush() {
    clearTimeout(this.timer);
    if (this.isSending) return this.isSending;
    if (!this.isDirty || this.isStopped) return undefined;
    this.isSending = this.send();
    try {
      await this.isSending;
    } finally {
      this.isSending = false;
    }
    return this.isDirty && !this.isStopped && !this.isWaiting ? this.flush() : undefined;
  }

  async send() {
    this.isDirty = false;
    this.isWaiting = false;
    this.tell("saving");
    document.body.dataset.unsaved = "true"; // see api.js
    try {
      const body = await this.packing.pack();
      const response = await call("PUT", `${this.path}?revision=${this.revision}`, body, { "content-encoding": "gzip" });
      this.revision = (await response.json()).revision;
      delete document.body.dataset.unsaved;
      this.tell(this.isDirty ? "unsaved" : "saved");
    } catch (error) {
      this.isDirty = true;
      if (error.status === 409) {
        this.isStopped = true;
        delete document.body.dataset.unsaved;
        this.tell("conflict", error);
      } else {
        this.isWaiting = true;
        this.tell("failed", error);
        this.timer = setTimeout(() => this.flush(), AGAIN);
      }
    }
  }
}
