// What went wrong, said once where everybody sees it.

import { fromTemplate, $ } from "./dom.js";
import { w } from "./words.js";

export function say(text, { error = false } = {}) {
  const message = fromTemplate("message");
  message.classList.toggle("error", error);
  $("p", message).textContent = text;
  $("button", message).addEventListener("click", () => message.remove());
  $("#messages").append(message);
  if (!error) setTimeout(() => message.remove(), 6000);
}

// Do something, and say what went wrong; resolves with undefined then.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.status === undefined) throw error;
    say(error.status === 0 ? w("offline") : `${w("failed")}: ${error.message}`, { error: true });
    return undefined;
  }
}
