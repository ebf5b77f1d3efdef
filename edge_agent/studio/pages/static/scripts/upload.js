// Sending pictures: several at a time, tried again when the way is interrupted, and every refusal named.

import { ApiError, call, name } from "./api.js";
import { $ } from "./dom.js";
import { w } from "./words.js";

const AT_ONCE = 4;
const TRIES = 4;
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

async function sendOne(project, file) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await (await call("PUT", `/projects/${name(project)}/uploads/${name(file.name)}`, file)).json();
    } catch (error) {
      // 0: no answer. What the studio has refused it would refuse again.
      if (!(error instanceof ApiError) || error.status !== 0 || attempt === TRIES) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 500 * 2 ** attempt); });
    }
  }
}

export class Uploads {
  constructor(project, onAdded) {
    this.project = project;
    this.onAdded = onAdded;
    this.tray = $("#upload");
    this.queue = [];
    this.running = 0;
    this.clear();
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
      else this.refuse(file, "?");
    }
    this.tray.hidden = false;
    while (this.running < AT_ONCE && this.queue.length) this.next();
    this.draw();
  }

  async next() {
    this.running += 1;
    while (this.queue.length) {
      const file = this.queue.shift();
      try {
        const answer = await sendOne(this.project, file);
        this.counts[answer.state] += 1;
        if (answer.state === "duplicate" && answer.file !== file.name) {
          this.list(w("upload.duplicate", { name: file.name, of: answer.file }));
        }
      } catch (error) {
        this.refuse(file, error.message || w("offline"));
      }
      this.draw();
    }
    this.running -= 1;
    this.draw();
    if (!this.running) this.onAdded();
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
    $(".state", this.tray).textContent = over ? w("upload.done", this.counts) : w("upload.progress", { done, total: this.total });
    $("#upload-again").hidden = !over || !this.failed.length;
  }
}
