// What every page has: theme, language, who is here, and how many jobs run.

import { post } from "./api.js";
import { $, $$, hideForbidden } from "./dom.js";
import { listen, onJobs } from "./events.js";
import { guide } from "./guide.js";
import { attempt } from "./messages.js";

const YEAR = 365 * 24 * 3600;

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

const stored = localStorage.getItem("theme");
if (stored) document.documentElement.dataset.theme = stored;

$("#theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  setTheme((document.documentElement.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark");
});

$("#language").addEventListener("change", (event) => {
  document.cookie = `edge_agent_language=${event.target.value}; path=/; max-age=${YEAR}; samesite=strict`;
  location.reload();
});

$("#sign-out")?.addEventListener("click", () => attempt(async () => {
  await post("/sign-out");
  location.href = "/sign-in";
}));

hideForbidden();

if (document.body.dataset.page !== "sign-in") {
  listen();
  guide();
  onJobs((jobs) => {
    const running = jobs.filter((job) => ["waiting", "running"].includes(job.state)).length;
    $("#running").textContent = running;
    $("#running").hidden = !running;
  });
}

// Who must not act too early (a test, a screen recorder) waits for html[data-ready]: importing a module again
// waits for what it awaits itself, its words and what it draws first.
const scripts = $$("script[type=module]").map((script) => script.src).filter((address) => address !== import.meta.url);
Promise.allSettled(scripts.map((address) => import(address))).then(() => { document.documentElement.dataset.ready = "true"; });
