// Keeps a page up to date. Each part of it that may change has an id and the attribute `data-live`;
// when something happened, the page is loaded again and the parts that differ are exchanged. Without
// this script everything works as well, and is loaded again by hand or now and then.
"use strict";

const APART = 1000; // milliseconds from an event to the load that it causes
const APART_SLOW = 10 * APART; // for what the catalog is asked, which may take it a while
const parts = () => document.querySelectorAll("[data-live][id]");
// Where only the number of open questions may change, nothing else is asked for: not a search again.
const from = document.querySelector("main [data-live][id]") ? location.href : "/questions";
const link = document.getElementById("link");
let source = null;
let waiting = null; // a load that is to come, or goes on
let again = false; // something happened meanwhile
let last = 0; // the number of the newest event that was seen

// Whoever is about to answer a question that is still open does not lose the button.
function isInUse(part, other) {
  const form = part.contains(document.activeElement) && document.activeElement.form;
  return form && other.querySelector(`form[action="${form.getAttribute("action")}"]`);
}

function exchange(fresh) {
  for (const part of parts()) {
    const other = fresh.getElementById(part.id);
    if (!other || part.isEqualNode(other) || isInUse(part, other)) continue;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    // A button that answers is gone with its question: whoever had it may not be given another one.
    const active = document.activeElement;
    const focused = part.contains(active) && !active.form ? active : null;
    const place = focused ? [...part.querySelectorAll("a, button, summary")].indexOf(focused) : -1;
    part.replaceWith(other);
    other.querySelectorAll("details").forEach((one, at) => { one.open = open[at] || false; });
    const next = place < 0 ? null : other.querySelectorAll("a, button, summary")[place];
    if (next && !next.form) next.focus();
  }
}

async function load() {
  again = false;
  try {
    const answer = await fetch(from, { headers: { Accept: "text/html" } });
    if (answer.status === 401) location.reload(); // the session has ended, and the page says so
    if (!answer.ok) return;
    exchange(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The stream says that the service is away, and loads again when it is back.
  } finally {
    waiting = null;
    if (again) soon();
  }
}

// One load for all events until then, and one at a time: a page may take longer than the next event.
function soon() {
  const isSlow = document.querySelector('[data-live="slow"]');
  if (waiting === null) waiting = setTimeout(load, isSlow ? APART_SLOW : APART);
  else again = true;
}

// Only what somebody must know is spoken: not each step of progress.
function speak(event) {
  const speakers = {
    insert: () => `Insert ${event.wanted} into ${event.drive}.`,
    question: () => event.text,
    trouble: () => `${event.thing}: ${event.what}`,
    run: () => event.state === "ended" ? `${event.command} ended.` : "",
  };
  const said = Object.hasOwn(speakers, event.event) ? speakers[event.event]() : "";
  if (said) document.getElementById("spoken").textContent = said;
}

function listen() {
  if (source || document.hidden) return;
  source = new EventSource(last ? `/api/events?after=${last}` : "/api/events");
  source.onopen = () => { link.textContent = "Live"; soon(); };
  source.onerror = () => {
    link.textContent = "The service does not answer. This page may be out of date.";
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    source = null;
    setTimeout(listen, 5 * APART);
    soon();
  };
  source.onmessage = (message) => {
    last = Number(message.lastEventId) || last;
    const event = JSON.parse(message.data);
    speak(event);
    // Only one page shows progress; the others would be reloaded each second for nothing.
    if (event.event !== "progress" || document.getElementById("drives")) soon();
  };
}

// A browser opens six connections to one place: a tab that nobody looks at gives its own back.
function rest() {
  if (source) source.close();
  source = null;
}

document.addEventListener("visibilitychange", () => document.hidden ? rest() : listen());
if (parts().length > 0 && link) listen();
