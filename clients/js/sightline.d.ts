/** What a client is made with. Times are milliseconds. */
export interface Options {
  /** Address of the Sightline server, such as `https://sightline.school.example`. Its events wait apart from others'. */
  url: string;
  /** A launch token (`lt_...`) that your server made for this student. A server key (`sk_...`) is refused. */
  token: string;
  /** Your game and its version, 100 characters at most. */
  clientVersion?: string;
  /** Events in one request at most, 1 to 1,000 (200); as many waiting are sent without delay. */
  batchSize?: number;
  /** Longest time until waiting events are sent (10,000: a launch token may send 10 batches a minute). */
  flushEvery?: number;
  /** First pause after a failure is a random part of this (1,000); it doubles with each failure. */
  retryBase?: number;
  /** The pause is a random part of this at most (60,000), unless the server asks for more (`Retry-After`). */
  retryMost?: number;
  /** How long a request may take (30,000). */
  timeout?: number;
  /** Called once for each event that the server refused. */
  onreject?: (reject: Reject) => void;
  /** Called when the server no longer takes the token (401, 403). Set `client.token` to a fresh one to go on. */
  onstop?: (stop: Stop) => void;
}

/** What an event may say beside its data. */
export interface About {
  missionId?: string;
  gameVersion?: string;
}

/** An event that the server did not take, and why. */
export interface Reject {
  event_id: string;
  /** `conflict`: another event with this id is stored there already. */
  status: "rejected" | "conflict";
  /** A stable word for programs. */
  code: string;
  /** JSON pointer into the event: the place of the mistake; empty for the whole event. */
  pointer: string;
  /** What to do, for people. */
  detail: string;
  /** The event as it was sent. */
  event: Record<string, unknown>;
  /** When the answer came, in milliseconds since 1970. */
  at: number;
}

/** Why nothing is sent now. */
export interface Stop {
  status: 401 | 403;
  code: string;
  detail: string;
}

/** One sitting of one student. */
export interface Session {
  readonly sessionId: string;
  /** Number of the next event. Keep it with `sessionId` if the same sitting is to go on after a reload. */
  readonly sequence: number;
  /**
   * Resolved when the event is stored on this device; `durable` is false where the browser refuses to store.
   * `data` is copied at the call. Rejected when the session is closed, or when `data` is no object or cannot be JSON.
   */
  event(type: string, data?: object, about?: About): Promise<{ eventId: string; durable: boolean }>;
  /** Resolved when the closing is stored on this device. It is sent after the session's events. */
  close(): Promise<{ durable: boolean }>;
}

/** One launch token, so one student. */
export class Sightline {
  constructor(options: Options);
  /** Whether events outlive this page; null until the first event is stored. */
  readonly durable: boolean | null;
  /** Why nothing is sent, until a new token comes; null while all is well. */
  readonly stopped: Stop | null;
  /** A fresh launch token of the same student. It is held in memory only. */
  set token(token: string);
  /** A new session, or an earlier one again. What an earlier page of this student left is sent as well. */
  session(studentId: string, resumed?: { sessionId?: string; sequence?: number }): Session;
  /** Send now, unless the server asked to wait; the number of events and closings that still wait. */
  flush(): Promise<number>;
  /** How many events and closings of this student wait on this device. */
  waiting(): Promise<number>;
  /** What the server refused, of all students who played here, from the last 30 days. */
  rejected(): Promise<Reject[]>;
  /** Remove the refused events from this device. */
  forgetRejected(): Promise<void>;
  /** Stop sending and let go of the page. What waits is sent by this student's next client. */
  end(): void;
}
