// The one way to the studio's data: its JSON API.

export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const OURS = { "x-edge-agent-studio": "1" };

export async function call(method, path, body, headers = {}) {
  let response;
  try {
    response = await fetch(`/api${path}`, { method, body, headers: { ...OURS, ...headers }, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, "");
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({ error: response.statusText }));
    // Where something is not saved yet the page stays: somebody can sign in beside it, and it is sent then.
    if (response.status === 401 && document.body.dataset.page !== "sign-in" && !document.body.dataset.unsaved) {
      location.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    }
    throw new ApiError(response.status, said.error);
  }
  return response;
}

export const get = async (path) => (await call("GET", path)).json();
export const send = async (method, path, value = {}) =>
  (await call(method, path, JSON.stringify(value), { "content-type": "application/json" })).json();
export const post = (path, value) => send("POST", path, value);
export const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
export const name = encodeURIComponent;
