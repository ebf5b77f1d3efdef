// What the studio says of models and lines now, again and again, for the pages that stay open on the shop floor.

import { get } from "./api.js";
import { $, isTyping } from "./dom.js";

// Longer without news than that, and people have to know that what they see is old.
const OLD = 4000;
const AGAIN = 2000;

// Call `onNews` with what GetLine of the API gives. Returns what tells whether that has become old.
export function watch(onNews) {
  let source = null;
  let again = 0;
  let heard = performance.now();

  // The browser asks again by itself after most interruptions; after some it gives up, and then we do.
  function connect() {
    clearTimeout(again);
    source?.close();
    source = new EventSource("/api/live/events");
    source.addEventListener("line", (event) => {
      heard = performance.now();
      onNews(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return;
      get("/live").catch(() => {}); // leads to the sign-in page where a session has ended
      again = setTimeout(connect, AGAIN);
    });
  }

  function disconnect() {
    clearTimeout(again);
    source?.close();
    source = null;
  }

  // A page that nobody sees costs nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  connect();
  return () => performance.now() - heard > OLD;
}

// Let a button, and the key F, make the page large enough for three metres.
export function offerFullScreen(button) {
  const toggle = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen?.().catch(() => {});
    document.body.classList.toggle("full");
  };
  button.addEventListener("click", toggle);
  document.addEventListener("fullscreenchange", () => document.body.classList.toggle("full", Boolean(document.fullscreenElement)));
  addEventListener("keydown", (event) => {
    if (event.key === "f" && !isTyping(event) && !event.ctrlKey && !event.metaKey) toggle();
    if (event.key === "Escape") document.body.classList.remove("full");
  });
}

// Say what is wrong, and until when what is shown was true.
export function drawTrouble(text, isOld, now) {
  $("#trouble").hidden = !text;
  if ($("#trouble").textContent !== text) $("#trouble").textContent = text;
  document.body.classList.toggle("is-old", isOld);
  $("#state").textContent = now;
}
