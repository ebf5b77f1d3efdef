import { post } from "./api.js";
import { $ } from "./dom.js";
import { attempt } from "./messages.js";

$("#sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await post("/sign-in", Object.fromEntries(new FormData(event.target)));
    // Only a page of this studio: an address of somebody else's would begin with two slashes or a name.
    const next = new URLSearchParams(location.search).get("next") ?? "/";
    location.href = /^\/(?![/\\])/.test(next) ? next : "/";
  });
});
