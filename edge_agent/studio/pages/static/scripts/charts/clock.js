// Times as the device's clock shows them, wherever the browser is.

const language = globalThis.document?.documentElement.lang || "en";
const at = (seconds, offset) => new Date((seconds + offset * 60) * 1000);
const shaped = (options) => new Intl.DateTimeFormat(language, { timeZone: "UTC", ...options });
const DAY = shaped({ month: "numeric", day: "numeric" });
const CLOCK = shaped({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const BOTH = shaped({ weekday: "short", month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const SECONDS = shaped({ month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export const day = (seconds, offset) => DAY.format(at(seconds, offset));
export const clock = (seconds, offset) => CLOCK.format(at(seconds, offset));
export const dayAndClock = (seconds, offset) => BOTH.format(at(seconds, offset));
export const exact = (seconds, offset) => SECONDS.format(at(seconds, offset));

export function zone(offset) {
  const minutes = Math.abs(offset);
  return `UTC${offset < 0 ? "−" : "+"}${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

// A time as a field for times has it: what the device's clock shows then.
export const toField = (seconds, offset) => at(seconds, offset).toISOString().slice(0, 16);
