// Small things for scripts that draw: markup stands in templates, never in scripts.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

export function setText(root, selector, text) {
  $(selector, root).textContent = text;
}

export const role = document.body.dataset.role;
const RANK = { "": 0, viewer: 1, operator: 2, engineer: 3 };
export const may = (needed) => RANK[role] >= RANK[needed];

// Hide what the person who is here may not do.
export function hideForbidden(root = document) {
  for (const element of $$("[data-needs]", root)) element.hidden ||= !may(element.dataset.needs);
}

// Ask with a dialog; resolves with its form's values, or null.
export function ask(dialog) {
  dialog.returnValue = "cancel";
  $("[data-close]", dialog).onclick = () => dialog.close(); // no button that submits: Enter means the other one
  dialog.showModal();
  $("input:not([type=color]), select", dialog)?.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "go" ? Object.fromEntries(new FormData($("form", dialog))) : null);
    }, { once: true });
  });
}

export const isTyping = (event) => event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea, dialog") !== null;
