// Looks every two seconds whether anything arrived, and puts new rows above the old ones. The page works without it.
"use strict";

const EVERY = 2000; // milliseconds between looks
const SLOWEST = 10000; // and at most, while the connection is lost
const PATIENCE = 10000; // milliseconds that one look may take

const part = document.getElementById("arriving");
const button = document.getElementById("pause");
let mark = part.dataset.mark;
let timer = null;
let looking = false;
let paused = false;
let over = false;
let failures = 0;

const only = (id, root = document) => root.querySelector(`#${id}`);

function say(id, words) {
  const place = only(id);
  if (place.textContent !== words) place.textContent = words; // a screen reader reads what changes, and nothing else
}

function sayState() {
  if (over) return;
  if (paused) say("state", "Paused.");
  else if (failures > 0) say("state", "Connection lost, trying again.");
  else say("state", "Live.");
}

// Rows that stay are not touched: what is open, selected or in focus stays so.
function mend(body, fresh) {
  const rows = [...fresh.rows];
  const keys = new Set(rows.map((row) => row.dataset.key));
  for (const old of [...body.rows]) if (!keys.has(old.dataset.key)) old.remove();
  const kept = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  let at = body.rows[0] ?? null;
  for (const row of rows) {
    if (at !== null && at.dataset.key === row.dataset.key) {
      at = at.nextElementSibling;
      continue;
    }
    let entering = kept.get(row.dataset.key);
    if (entering === undefined) {
      entering = document.importNode(row, true);
      entering.classList.add("new");
    }
    body.insertBefore(entering, at);
  }
}

function show(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html"); // runs no script of what it reads
  say("counts", only("counts", fresh).textContent);
  const [body, next] = [document, fresh].map((root) => root.querySelector("#arrivals tbody"));
  if (body && next) mend(body, next);
  else only("arrivals").replaceWith(document.importNode(only("arrivals", fresh), true));
}

function end(words) {
  over = true;
  say("state", words);
  button.hidden = true;
  only("again").hidden = false;
}

async function look() {
  timer = null;
  looking = true;
  try {
    const answer = await fetch("/arriving/rows", {
      headers: { "If-None-Match": `"${mark}"` },
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.status === 403) {
      end("You are signed out. Load again to sign in.");
      return;
    }
    if (answer.status !== 304 && !answer.ok) throw new Error(`answered ${answer.status}`);
    const html = answer.status === 304 ? null : await answer.text();
    if (html !== null && !paused) show(html);
    if (html === null || !paused) mark = (answer.headers.get("ETag") ?? "").replace(/^W\//, "").replaceAll('"', "");
    failures = 0;
  } catch {
    failures += 1;
  } finally {
    looking = false;
  }
  sayState();
  wait();
}

function wait() {
  if (over || paused || looking || timer !== null || document.hidden) return;
  timer = setTimeout(look, Math.min(EVERY * 2 ** Math.min(failures, 5), SLOWEST));
}

function rest() {
  clearTimeout(timer);
  timer = null;
}

function lookNow() {
  rest();
  if (!over && !paused && !looking && !document.hidden) look();
}

button.addEventListener("click", () => {
  paused = !paused;
  button.textContent = paused ? "Go on" : "Pause";
  sayState();
  if (paused) rest();
  else lookNow();
});
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : lookNow()));

button.hidden = false;
only("again").hidden = true;
sayState();
wait();
