// Sending pictures: several at a time, large ones in parts, gone on with after an interruption, and every refusal named.

import { ApiError, call, get, name, post, query } from "./api.js";
import { $ } from "./dom.js";
import { w } from "./words.js";

const AT_ONCE = 4;
const AT_A_TIME = 8; // files whose digests are asked for together
const LARGE = 16 * 2 ** 20; // bytes from which a file is sent in parts
const PART = 8 * 2 ** 20;
const MOST_WAIT = 5000;
const AWAY = new Set([0, 502, 503, 504]); // no answer, or one of a reverse proxy that gets none
const PICTURE = /\.(png|jpe?g|bmp|tiff?|webp)$/i;

// Collect the files of what was dropped, those in folders too; hidden ones are not pictures.
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const files = [];
  for (const entry of entries) await collect(entry, files);
  return files;
}

async function collect(entry, files) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => { entry.file(resolve, reject); }));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return;
    for (const inside of some) await collect(inside, files);
  }
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// Do something until the studio answers: a connection that was lost, or a studio that is started again, is waited for.
async function patiently(work, onWait) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await work();
      onWait(false);
      return answer;
    } catch (error) {
      // What the studio has refused it would refuse again.
      if (!(error instanceof ApiError) || !AWAY.has(error.status)) throw error;
      onWait(true);
      await pause(Math.min(MOST_WAIT, 500 * 2 ** attempt));
    }
  }
}

// The same file has the same key after the page was opened again: 64 bits of FNV-1a.
export function keyOf(project, { name: file, size, lastModified }) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(JSON.stringify([project, file, size, lastModified]))) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}

async function sendOne(project, file, onWait) {
  const path = `/projects/${name(project)}/uploads/${name(file.name)}`;
  if (file.size < LARGE) return patiently(async () => (await call("PUT", path, file)).json(), onWait);
  const key = keyOf(project, file);
  let here = (await patiently(() => get(`${path}/parts?${query({ key })}`), onWait)).bytes;
  for (;;) {
    const at = here;
    const part = file.slice(at, at + PART);
    try {
      const answer = await patiently(async () =>
        (await call("PUT", `${path}/parts?${query({ key, offset: at, size: file.size })}`, part)).json(), onWait);
      if (answer.added) return answer.added;
      here = answer.bytes;
    } catch (error) {
      // The answer to a part was lost, or another page sends the same file.
      if (error.status !== 409) throw error;
      here = (await patiently(() => get(`${path}/parts?${query({ key })}`), onWait)).bytes;
      if (here === at) throw error;
    }
  }
}

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// Which of some files are there already, so that they need not be sent: a map from file to the picture's name.
async function knownOf(project, files, onWait) {
  const found = new Map();
  if (!globalThis.crypto?.subtle) return found; // a page that came without TLS from another machine: all are sent
  const digests = new Map();
  for (const file of files) {
    if (file.size < LARGE) digests.set(file, hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer())));
  }
  if (!digests.size) return found;
  const there = await patiently(() => post(`/projects/${name(project)}/known`, { digests: [...digests.values()] }), onWait);
  for (const [file, digest] of digests) if (there[digest]) found.set(file, there[digest]);
  return found;
}

export class Uploads {
  constructor(project, onAdded) {
    this.project = project;
    this.onAdded = onAdded;
    this.tray = $("#upload");
    this.queue = [];
    this.running = 0;
    this.left = `sending ${project}`;
    this.waits = false;
    this.clear();
    const left = Number(localStorage.getItem(this.left));
    if (left) {
      $(".state", this.tray).textContent = w("upload.left", { count: left });
      localStorage.removeItem(this.left);
      this.tray.hidden = false;
    }
    addEventListener("beforeunload", (event) => { if (this.running) event.preventDefault(); });
    $("#upload-close").addEventListener("click", () => { this.tray.hidden = true; });
    $("#upload-again").addEventListener("click", () => {
      const again = this.failed.map((entry) => entry.file);
      this.clear();
      this.add(again);
    });
  }

  clear() {
    this.counts = { added: 0, duplicate: 0, failed: 0 };
    this.failed = [];
    this.total = 0;
    $("ul", this.tray).replaceChildren();
  }

  add(files) {
    if (!this.running && !this.queue.length) this.clear();
    this.total += files.length;
    for (const file of files) {
      if (PICTURE.test(file.name)) this.queue.push(file);
      else this.refuse(file, w("upload.no_picture"));
    }
    this.tray.hidden = false;
    while (this.running < AT_ONCE && this.queue.length) this.next();
    this.draw();
  }

  async next() {
    this.running += 1;
    const onWait = (waits) => { this.waits = waits; this.draw(); };
    while (this.queue.length) {
      const some = this.queue.splice(0, AT_A_TIME);
      const known = await knownOf(this.project, some, onWait).catch(() => new Map()); // a file that can't be read is named below
      for (const file of some) await this.one(file, known.get(file), onWait);
    }
    this.running -= 1;
    this.draw();
    if (!this.running) this.onAdded();
  }

  async one(file, same, onWait) {
    try {
      const answer = same ? { state: "duplicate", file: same } : await sendOne(this.project, file, onWait);
      this.counts[answer.state] += 1;
      if (answer.state === "duplicate" && answer.file !== file.name) this.list(w("upload.duplicate", { name: file.name, of: answer.file }));
    } catch (error) {
      this.refuse(file, error.message || w("offline"));
    }
    this.draw();
  }

  refuse(file, why) {
    this.counts.failed += 1;
    this.failed.push({ file });
    this.list(`${file.name}: ${why}`);
  }

  list(text) {
    const line = document.createElement("li");
    line.textContent = text;
    $("ul", this.tray).append(line);
  }

  draw() {
    const done = this.counts.added + this.counts.duplicate + this.counts.failed;
    const bar = $("progress", this.tray);
    bar.max = Math.max(1, this.total);
    bar.value = done;
    const over = done === this.total && !this.running;
    // Whoever leaves the page is told when coming back; what is here already is then not sent again.
    if (over) localStorage.removeItem(this.left);
    else localStorage.setItem(this.left, String(this.total - done));
    if (this.waits && !over) $(".state", this.tray).textContent = w("upload.waits", { done, total: this.total });
    else $(".state", this.tray).textContent = over ? w("upload.done", this.counts) : w("upload.progress", { done, total: this.total });
    $("#upload-again").hidden = !over || !this.failed.length;
  }
}
