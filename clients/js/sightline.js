// @ts-check
/**
 * Sightline's browser client: events are stored on this device first, then sent until the server has answered them.
 *
 * One client is one launch token, so one student. An event's promise resolves when it is in IndexedDB, and it leaves the
 * queue only when the server has answered it by its id. The server knows that id for ever, so sending twice is harmless:
 * a lost answer, a reload and a second tab need no other care than to send again. SPDX-License-Identifier: Apache-2.0
 * @import { About, Options, Reject, Stop } from "./sightline.d.ts"
 * @typedef {{student: string, id: string, kind: "event" | "close", json: string, bytes: number, place?: number}} Waiting
 * @typedef {{status: number, answer: any, wait: number}} Said status 0: no answer came; wait: ms the server asks for
 */

const BATCH_BYTES = 900_000; // of JSON in one request: proxies often stop at 1 MiB, and some cut the line without a word
const BEACON_BYTES = 60_000; // of all beacons together: browsers let 64 KiB be under way (Fetch standard, keepalive)
const BEACON_PART = 20_000; // bytes of one beacon: a part that finds no room costs only itself
const REJECTS_KEPT = 30 * 86_400_000; // milliseconds on this device; the server keeps its own as long
const OPENING = 5_000; // milliseconds after which a browser that does not open its database counts as refusing it
const LONGEST_WAIT = 3_600_000; // milliseconds a server may ask us to wait; more is taken for a mistake
const WORTH_PACKING = 1_000; // bytes below which gzip saves nothing worth the work
const DEFAULTS = { batchSize: 200, flushEvery: 10_000, retryBase: 1_000, retryMost: 60_000, timeout: 30_000 };
const REFUSED = ["rejected", "conflict"];
const ANSWERED = ["created", "duplicate", ...REFUSED];
/** How each request is made: no cookie, no cache, and no other host gets the token. @type {RequestInit} */
const HOW = { method: "POST", credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer" };

const jitter = (/** @type {number} */ most) => Math.random() * most;

/** @template T @param {IDBRequest<T>} asked @returns {Promise<T>} */
const answerOf = (asked) =>
  new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });

/** @param {string} name @returns {Promise<IDBDatabase>} rejected where the browser refuses to store */
async function openDisk(name) {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("queue", { keyPath: "place", autoIncrement: true }).createIndex("student", "student");
    opening.result.createObjectStore("rejected", { keyPath: "event_id" }).createIndex("at", "at");
  };
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => setTimeout(reject, OPENING, new Error("the database does not open")));
  const disk = await Promise.race([answerOf(opening), late]);
  disk.onversionchange = () => disk.close();
  const rejected = disk.transaction("rejected", "readwrite").objectStore("rejected");
  const old = await answerOf(rejected.index("at").getAllKeys(IDBKeyRange.upperBound(Date.now() - REJECTS_KEPT)));
  old.forEach((key) => rejected.delete(key));
  return disk;
}

/** What waits for an answer and what was refused, on disk. */
class Disk {
  /** @type {Promise<IDBDatabase> | null} */ #opened = null;
  #name;

  constructor(/** @type {string} */ name) {
    this.#name = name;
  }

  /** Twice, for a browser may have closed it meanwhile. @template T @param {(disk: IDBDatabase) => Promise<T>} act */
  async #use(act) {
    for (let again = true; ; again = false) {
      const opened = (this.#opened ??= openDisk(this.#name)); // a refusal stays for as long as the page
      const disk = await opened;
      try {
        return await act(disk);
      } catch (problem) {
        if (!again) throw problem;
        disk.close();
        if (this.#opened === opened) this.#opened = null;
      }
    }
  }

  /** @template T, U @param {string} from @param {(store: IDBObjectStore) => IDBRequest<T>} ask @param {U} refused instead */
  read(from, ask, refused) {
    return this.#use((disk) => answerOf(ask(disk.transaction(from).objectStore(from)))).catch(() => refused);
  }

  /** @param {(queue: IDBObjectStore, rejected: IDBObjectStore) => void} act @returns {Promise<unknown>} null, or why not */
  write(act) {
    const write = (/** @type {IDBDatabase} */ disk) => {
      const work = disk.transaction(["queue", "rejected"], "readwrite", { durability: "strict" });
      act(work.objectStore("queue"), work.objectStore("rejected"));
      return new Promise((resolve, reject) => {
        work.oncomplete = () => resolve(null);
        work.onabort = () => reject(work.error ?? new Error("the browser gave the transaction up"));
      });
    };
    return this.#use(write).catch((problem) => problem);
  }
}

/** Sends what one student does; `sightline.d.ts` says what each option, method and answer is. */
export class Sightline {
  /** @type {boolean | null} */ durable = null;
  /** @type {Stop | null} */ stopped = null;
  #token = "";
  #student = "";
  /** What this page said and nobody has answered: for beacons (a page that goes away has no time to read the disk), and
   * to send what the disk refused. `stored` is null until the disk has said yes or no.
   * @type {Map<string, {record: Waiting, stored: boolean | null, tell: (stored: boolean) => void, beaconed: boolean}>} */
  #own = new Map();
  /** @type {Map<string, Reject>} */ #refusedInMemory = new Map();
  #writing = false;
  /** @type {Promise<void> | null} */ #sending = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  #due = Infinity; // when the timer rings; like the pauses, in milliseconds of a clock that nobody sets
  #ownPause = 0;
  #askedPause = 0;
  #failures = 0;
  #packs = typeof CompressionStream === "function";
  #ended = new AbortController();
  #mayGoOn = () => this.#student !== "" && this.stopped === null && !this.#ended.signal.aborted;
  #options;
  #disk;
  #most;

  /** @param {Options} options */
  constructor({ url, token, clientVersion = "sightline-js", ...rest }) {
    const at = new URL(url, globalThis.location?.href);
    if (at.protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(at.hostname))
      throw new TypeError(`Sightline: ${at.origin} must begin with https://, for a token and events travel to it`);
    if (typeof globalThis.crypto?.randomUUID !== "function")
      throw new TypeError("Sightline: serve this page over https or from localhost; browsers make safe ids only there");
    const base = at.href.replace(/[/?#]*$/, "");
    this.#options = { ...DEFAULTS, ...rest, url: base, version: clientVersion.slice(0, 100) };
    this.#most = this.#options.batchSize = Math.max(1, Math.min(1_000, Math.floor(this.#options.batchSize)));
    this.#disk = new Disk(`sightline ${base}`);
    this.token = token;
    const until = { signal: this.#ended.signal };
    globalThis.document?.addEventListener("visibilitychange", () => this.#beacon(!document.hidden), until);
    globalThis.addEventListener?.("pagehide", () => this.#beacon(), until);
    globalThis.addEventListener?.("online", () => this.flush(), until);
  }

  /** A launch token of the same student; sending goes on. Kept in memory only, and not to be read back. */
  set token(/** @type {string} */ token) {
    if (typeof token !== "string" || token.trim() === "") throw new TypeError("Sightline: a launch token is needed");
    if (token.trim().startsWith("sk_"))
      throw new TypeError("Sightline: this is a server key, never for a browser: your server makes a launch token with it");
    this.#token = token.trim();
    this.stopped = null;
    this.#ownPause = 0;
    this.#sendIn(0);
  }

  /** @param {string} studentId @param {{sessionId?: string, sequence?: number}} [resumed] */
  session(studentId, { sessionId = crypto.randomUUID(), sequence = 0 } = {}) {
    if (typeof studentId !== "string" || studentId === "") throw new TypeError("Sightline: say which student plays");
    if (this.#student !== "" && this.#student !== studentId)
      throw new TypeError("Sightline: a launch token is one student's; end() this client and make one for the next student");
    this.#student = studentId;
    this.#sendIn(jitter(this.#options.retryBase)); // what an earlier page left; spread, for a class starts at one bell
    /** @type {Promise<{durable: boolean}> | null} */
    let closing = null;
    const session = {
      sessionId,
      sequence,
      /** What it says is fixed at this call. @param {string} type @param {object} [data] @param {About} [about] */
      event: async (type, data = {}, { missionId, gameVersion } = {}) => {
        if (closing) throw new Error("Sightline: this session is closed; begin another");
        if (Object.prototype.toString.call(data) !== "[object Object]") throw new TypeError("Sightline: data is an object");
        const eventId = crypto.randomUUID(); // stands first, so that the server finds it in an event that it cannot read
        const what = { event_id: eventId, student_id: studentId, session_id: sessionId, event_type: type };
        const when = { timestamp: new Date().toISOString(), sequence: session.sequence++ };
        const json = JSON.stringify({ ...what, ...when, mission_id: missionId, game_version: gameVersion, data });
        return { eventId, durable: await this.#keep(eventId, "event", json) };
      },
      /** It is sent after the session's events. */
      close: () => (closing ??= this.#keep(sessionId, "close", "").then((durable) => ({ durable }))),
    };
    return session;
  }

  /** Send now what waits, unless the server asked to wait. @returns {Promise<number>} how much still waits */
  async flush() {
    this.#ownPause = 0;
    await this.#sending;
    await this.#send();
    return this.waiting();
  }

  /** @returns {Promise<number>} events and closings of this student that wait on this device */
  async waiting() {
    const stored = await this.#disk.read("queue", (queue) => queue.index("student").count(this.#student), 0);
    return stored + [...this.#own.values()].filter((one) => !one.stored).length;
  }

  /** @returns {Promise<Reject[]>} what the server refused, and why; kept 30 days */
  async rejected() {
    return [...(await this.#disk.read("rejected", (rejected) => rejected.getAll(), [])), ...this.#refusedInMemory.values()];
  }

  /** Remove the refused events from this device. */
  async forgetRejected() {
    this.#refusedInMemory.clear();
    await this.#disk.write((_, rejected) => rejected.clear());
  }

  /** Let go of the page; what is not answered yet waits for this student's next client. */
  end() {
    this.#beacon();
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  /** @param {string} id @param {"event" | "close"} kind @param {string} json @returns {Promise<boolean>} is it on disk? */
  #keep(id, kind, json) {
    if (this.#ended.signal.aborted) return Promise.reject(new Error("Sightline: this client has ended"));
    const record = { student: this.#student, id, kind, json, bytes: new TextEncoder().encode(json).length };
    /** @type {Promise<boolean>} */
    const kept = new Promise((tell) => this.#own.set(id, { record, stored: null, tell, beaconed: false }));
    if (!this.#writing) this.#write();
    this.#sendIn(kind === "close" || this.#own.size >= this.#options.batchSize ? 0 : this.#options.flushEvery);
    return kept;
  }

  /** One transaction for all that came while the one before was written: a fast game costs no more than a slow one. */
  async #write() {
    this.#writing = true;
    await null; // what one step of the game says goes together
    for (;;) {
      const now = [...this.#own.values()].filter((one) => one.stored === null);
      if (now.length === 0) break;
      const problem = await this.#disk.write((queue) => now.forEach((one) => queue.add(one.record)));
      if (problem !== null && this.durable !== false)
        console.warn("Sightline: this browser refuses to store; events not sent before the page closes are lost.", problem);
      this.durable = problem === null;
      for (const one of now) one.tell((one.stored = this.durable));
    }
    this.#writing = false;
  }

  /** @param {number} wait milliseconds; an earlier appointment stands, and pauses are kept */
  #sendIn(wait) {
    const now = performance.now();
    const at = Math.max(now + wait, this.#ownPause, this.#askedPause);
    if (at >= this.#due || !this.#mayGoOn()) return;
    clearTimeout(this.#timer);
    this.#due = at;
    this.#timer = setTimeout(() => this.#send(), at - now);
  }

  /** Send until nothing waits or something stands in the way. Of several tabs one sends at a time. */
  #send() {
    clearTimeout(this.#timer);
    this.#due = Infinity;
    const free = () => this.#mayGoOn() && performance.now() >= Math.max(this.#ownPause, this.#askedPause);
    const once = async () => free() && this.#attempt();
    const lock = `sightline ${this.#options.url} ${this.#student}`;
    const alone = () => globalThis.navigator?.locks?.request(lock, once).catch(once) ?? once();
    const all = async () => {
      for (let more = true; more && free(); ) more = await alone();
    };
    this.#sending ??= all().finally(() => {
      this.#sending = null;
      if (this.#failures) this.#sendIn(0);
      else if (this.#own.size) this.#sendIn(this.#options.flushEvery);
    });
    return this.#sending;
  }

  /** @returns {Promise<boolean>} whether more may wait, and may be sent now */
  async #attempt() {
    const stored = [...this.#own.values()].filter((one) => one.stored); // as it was before the disk is read
    /** @type {Waiting[] | null} */
    let found = await this.#disk.read("queue", (queue) => queue.index("student").getAll(this.#student, this.#most), null);
    if (found?.length === 0) for (const { record } of stored) this.#own.delete(record.id); // another tab had it answered
    if (!found?.length) {
      const here = [...this.#own.values()].filter((one) => one.stored === false || (found === null && one.stored));
      found = here.map((one) => one.record).slice(0, this.#most);
    }
    if (found.length === 0) this.#failures = 0;
    if (found.length === 0) return false;
    if (found[0].kind === "close") return this.#closeSession(found[0]);
    let bytes = 0;
    const end = found.findIndex((one, i) => one.kind === "close" || ((bytes += one.bytes) > BATCH_BYTES && i > 0));
    return this.#sendBatch(end < 0 ? found : found.slice(0, end));
  }

  /** @param {Waiting[]} events @returns {Promise<boolean>} */
  async #sendBatch(events) {
    const batchId = crypto.randomUUID();
    const said = await this.#post("/telemetry/batch?verbose=true", this.#batch(batchId, events));
    const { status, answer } = said;
    if ((status === 201 || status === 207) && answer?.batch_id === batchId && Array.isArray(answer.results)) {
      const results = new Map(answer.results.map((/** @type {any} */ one) => [one.event_id, one]));
      const done = events.filter((one) => ANSWERED.includes(results.get(one.id)?.status));
      const refused = done.filter((one) => REFUSED.includes(results.get(one.id).status));
      this.#most = Math.min(this.#options.batchSize, this.#most * 2);
      if (done.length === 0) return this.#pause(said);
      return this.#settle(said, done, refused.map((one) => rejectOf(one, results.get(one.id))));
    }
    if (status === 413 && events.length === 1) {
      const why = { code: "too_large", detail: "the server takes no event of this size", ...answer, status: "rejected" };
      return this.#settle(said, events, [rejectOf(events[0], why)]);
    }
    // a proxy that cuts large bodies off looks like a broken line, and half as much may pass both
    if (status === 413 || status === 0) this.#most = Math.ceil(events.length / 2);
    return status === 413 || this.#pause(said);
  }

  /** @param {Waiting} closing @returns {Promise<boolean>} */
  async #closeSession(closing) {
    const said = await this.#post(`/telemetry/session/${encodeURIComponent(closing.id)}/close`, "");
    const nothingThere = said.status === 404 && said.answer?.code === "not_found"; // none of its events was taken
    const over = said.status === 200 || said.status === 422 || nothingThere;
    return over ? this.#settle(said, [closing], []) : this.#pause(said);
  }

  /** @param {Said} said @param {Waiting[]} done @param {Reject[]} refused @returns {Promise<boolean>} */
  async #settle(said, done, refused) {
    const problem = await this.#disk.write((queue, rejected) => {
      for (const { place } of done) if (place !== undefined) queue.delete(place);
      for (const one of refused) rejected.put(one);
    });
    if (problem !== null) for (const one of refused) this.#refusedInMemory.set(one.event_id, one);
    for (const one of done) this.#own.delete(one.id);
    for (const one of refused) queueMicrotask(() => this.#options.onreject?.(one));
    if (problem !== null && done.some((one) => one.place !== undefined)) return this.#pause(said);
    this.#failures = 0;
    return true;
  }

  /** Stop, or wait a random part of a time that doubles (full jitter). @param {Said} said @returns {false} */
  #pause({ status, answer, wait }) {
    const detail = answer?.detail ?? "";
    if (status === 401 || status === 403) {
      const stop = (this.stopped = { status, code: answer?.code ?? "", detail });
      queueMicrotask(() => this.#options.onstop?.(stop));
      return false;
    }
    if (status === 415) this.#packs = false;
    else if (status >= 400 && status < 500 && status !== 429)
      console.warn(`Sightline: the server answers ${status}; events wait on this device. ${detail}`);
    const most = Math.min(this.#options.retryMost, this.#options.retryBase * 2 ** this.#failures);
    this.#ownPause = performance.now() + jitter(most);
    if (wait > 0) this.#askedPause = this.#ownPause + Math.min(LONGEST_WAIT, wait);
    this.#failures = Math.min(this.#failures + 1, 30);
    return false;
  }

  /** @param {string} batchId @param {{json: string}[]} events @param {object} [more] fields of the envelope */
  #batch(batchId, events, more = {}) {
    const sent_at = new Date().toISOString();
    const envelope = JSON.stringify({ batch_id: batchId, client_version: this.#options.version, sent_at, ...more });
    return `${envelope.slice(0, -1)},"events":[${events.map((one) => one.json).join(",")}]}`;
  }

  /** @param {string} path @param {string} text @returns {Promise<Said>} */
  async #post(path, text) {
    const token = this.#token;
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
    /** @type {BodyInit} */
    let body = text;
    try {
      if (this.#packs && text.length > WORTH_PACKING) {
        body = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
        headers["Content-Encoding"] = "gzip";
      }
      const signal = AbortSignal.timeout(this.#options.timeout);
      const response = await fetch(`${this.#options.url}/api/v1${path}`, { ...HOW, headers, body, signal });
      if ([401, 403].includes(response.status) && token !== this.#token) throw new Error("another token came meanwhile");
      const asked = response.headers.get("retry-after") ?? "";
      const wait = /^\d+$/.test(asked) ? Number(asked) * 1_000 : Date.parse(asked) - Date.now() || 0;
      return { status: response.status, answer: await response.json().catch(() => null), wait };
    } catch {
      return { status: 0, answer: null, wait: 0 };
    }
  }

  /** The last chance of a page that may be gone at once. The queue keeps everything: a beacon has no answer. */
  #beacon(stays = false) {
    if (!this.#mayGoOn() || !globalThis.navigator?.sendBeacon) return;
    const own = [...this.#own.values()];
    if (own.length) this.#sendIn(jitter(this.#options.retryBase)); // for a page that stays after all
    if (stays) return own.forEach((one) => (one.beaconed = false));
    let room = BEACON_BYTES;
    const fits = (/** @type {Waiting} */ one) => one.kind === "event" && (room -= one.bytes + 1) > 0;
    const left = own.filter((one) => !one.beaconed && fits(one.record));
    while (left.length) {
      let bytes = 0;
      const end = left.findIndex((one, i) => (bytes += one.record.bytes) > BEACON_PART && i > 0);
      const part = left.splice(0, end < 0 ? left.length : end);
      const body = this.#batch(crypto.randomUUID(), part.map((one) => one.record), { launch_token: this.#token });
      const plain = new Blob([body], { type: "text/plain" }); // no preflight: a closing page has no time for one
      if (!navigator.sendBeacon(`${this.#options.url}/api/v1/telemetry/batch`, plain)) return;
      for (const one of part) one.beaconed = true;
    }
  }
}

/** @param {Waiting} event @param {any} why @returns {Reject} */
function rejectOf({ id, json }, { status, code, pointer, detail }) {
  const event = JSON.parse(json);
  return { event_id: id, status, code: code ?? status, pointer: pointer ?? "", detail: detail ?? "", event, at: Date.now() };
}
