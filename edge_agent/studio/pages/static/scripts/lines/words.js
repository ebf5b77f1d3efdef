// How a line is, in words: on the list, on its own page and on the live page.

import { w } from "../words.js";

const STATES = {
  inspecting: w("lines.inspecting"), safe: w("lines.safe"), starting: w("lines.starting"), stopped: w("lines.stopped"), mistakes: w("lines.has_mistakes"),
};
const BY = { studio: w("lines.by_studio"), systemd: w("lines.by_systemd"), other: w("lines.by_other") };
const OUTCOMES = {
  pass: `✓ ${w("lines.pass")}`, reject: `✗ ${w("lines.reject")}`, look: `? ${w("lines.look")}`, failed: `! ${w("lines.failed")}`, early: `! ${w("lines.early")}`,
};

export const stateText = (line) => STATES[line.state];
export const byText = (line) => (line.by ? BY[line.by] + (line.comes_back || line.by === "other" ? "" : ` · ${w("lines.not_enabled")}`) : "");
export const outcomeText = (outcome) => OUTCOMES[outcome] ?? "";
