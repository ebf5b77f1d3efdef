// What happens, as the studio tells it: whoever wants to know is called with the list of jobs when it changes.

const listeners = new Set();
let last = null;

// Returns what ends it.
export function onJobs(listener) {
  listeners.add(listener);
  if (last) listener(last);
  return () => listeners.delete(listener);
}

export function listen() {
  const source = new EventSource("/api/events");
  source.addEventListener("jobs", (event) => {
    last = JSON.parse(event.data);
    for (const listener of listeners) listener(last);
  });
  // A page that is left must not keep one of the few connections that a browser has to a place.
  addEventListener("pagehide", () => source.close());
}

// Resolve with a job when it has ended.
export function ended(number, onStep = () => {}) {
  return new Promise((resolve) => {
    const look = (jobs) => {
      const job = jobs.find((one) => one.id === number);
      if (!job) return;
      onStep(job);
      if (!["waiting", "running"].includes(job.state)) {
        listeners.delete(look);
        resolve(job);
      }
    };
    onJobs(look);
  });
}
