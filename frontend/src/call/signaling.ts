/**
 * Keeps one signaling connection alive: join ticket, WebSocket, `hello`, and the way back after a loss.
 *
 * Invariants: a ticket is used for exactly one socket and never appears in a URL; at most one socket is alive; after a
 * final close code, a refusal or {@link SignalingClient.stop} nothing is opened any more. Socket, ticket and timers come
 * in through {@link SignalingPorts}, so all of it is tested without a network.
 */

import {
  CLOSE,
  FINAL_CLOSE_CODES,
  ProtocolError,
  parseServerMessage,
  type ClientMessage,
  type ServerMessage,
} from "./protocol";

export type TicketOutcome =
  | { readonly kind: "ticket"; readonly ticket: string }
  /** Worth another attempt; `afterMs` is the server's wish (Retry-After), or null. */
  | { readonly kind: "retry"; readonly afterMs: number | null }
  | { readonly kind: "over"; readonly reason: "ended" | "cancelled" | "refused" };

/** The part of WebSocket that is used. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number }) => void) | null;
}

export interface Timers {
  set(callback: () => void, milliseconds: number): number;
  clear(timer: number): void;
}

export interface SignalingPorts {
  readonly ticket: () => Promise<TicketOutcome>;
  readonly open: () => Socket;
  readonly timers: Timers;
}

export type SignalingEvent =
  | { readonly type: "connecting" }
  | { readonly type: "open" }
  | { readonly type: "message"; readonly message: ServerMessage }
  | { readonly type: "waiting"; readonly failures: number; readonly retryInMs: number }
  | { readonly type: "closed"; readonly code: number }
  | { readonly type: "refused"; readonly reason: "ended" | "cancelled" | "refused" };

/** Waiting before attempt n + 1, in milliseconds; the last value repeats. */
export const BACKOFF_MS: readonly number[] = [500, 1000, 2000, 4000, 8000];
/** From opening the socket to the first snapshot. A captive portal can swallow an upgrade for minutes. */
export const OPEN_TIMEOUT_MS = 10_000;

export function backoff(failures: number): number {
  return BACKOFF_MS[Math.min(Math.max(failures, 1), BACKOFF_MS.length) - 1] ?? 8000;
}

export class SignalingClient {
  private socket: Socket | null = null;
  private timer: number | null = null;
  private failures = 0;
  private greeted = false;
  private stopped = true;
  /** Counts attempts, so that a late ticket or socket of a former attempt is recognised and dropped. */
  private attempt = 0;

  constructor(
    private readonly ports: SignalingPorts,
    private readonly emit: (event: SignalingEvent) => void,
  ) {}

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.failures = 0;
    void this.connect();
  }

  /** True when the message went out. Nothing is queued: the next snapshot and the next offer say it all again. */
  send(message: ClientMessage): boolean {
    if (this.socket === null || !this.greeted) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Attempts at once: the person asked for it, or the network came back. */
  retryNow(): void {
    if (this.stopped || this.socket !== null || this.timer === null) return;
    this.clearTimer();
    void this.connect();
  }

  /** Drops a socket that is open but does not answer, and connects anew. */
  reopen(): void {
    if (this.stopped || this.socket === null) return;
    this.lost();
  }

  /** Leaves on purpose. */
  leave(): void {
    this.send({ type: "leave" });
    this.end(CLOSE.left);
  }

  /** Goes away without leaving: the place in the consultation is kept for a while. */
  stop(): void {
    this.end(null);
  }

  private end(code: number | null): void {
    this.stopped = true;
    this.attempt += 1;
    this.clearTimer();
    this.drop(code);
  }

  private async connect(): Promise<void> {
    this.attempt += 1;
    const attempt = this.attempt;
    this.emit({ type: "connecting" });
    const outcome = await this.ports
      .ticket()
      .catch((): TicketOutcome => ({ kind: "retry", afterMs: null }));
    if (this.stopped || attempt !== this.attempt) return;
    switch (outcome.kind) {
      case "ticket":
        this.openSocket(outcome.ticket, attempt);
        return;
      case "retry":
        this.wait(outcome.afterMs);
        return;
      case "over":
        this.stopped = true;
        this.emit({ type: "refused", reason: outcome.reason });
    }
  }

  private openSocket(ticket: string, attempt: number): void {
    let socket: Socket;
    try {
      socket = this.ports.open();
    } catch {
      this.wait(null);
      return;
    }
    this.socket = socket;
    const mine = (): boolean => attempt === this.attempt && this.socket === socket;
    this.timer = this.ports.timers.set(() => {
      this.timer = null;
      if (mine()) this.lost();
    }, OPEN_TIMEOUT_MS);
    socket.onopen = () => {
      if (!mine()) return;
      socket.send(JSON.stringify({ type: "hello", ticket } satisfies ClientMessage));
      this.greeted = true;
      this.emit({ type: "open" });
    };
    socket.onmessage = (event) => {
      if (mine()) this.received(event.data);
    };
    socket.onclose = (event) => {
      if (!mine()) return;
      if (FINAL_CLOSE_CODES.has(event.code)) {
        this.finish(event.code);
      } else {
        this.lost();
      }
    };
  }

  private received(data: unknown): void {
    let message: ServerMessage;
    try {
      if (typeof data !== "string") throw new ProtocolError("a binary frame");
      message = parseServerMessage(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.finish(CLOSE.malformed);
      return;
    }
    if (message.type === "snapshot") {
      this.failures = 0;
      this.clearTimer();
    }
    this.emit({ type: "message", message });
  }

  /** The connection is over for good. */
  private finish(code: number): void {
    this.stopped = true;
    this.clearTimer();
    this.drop(code === CLOSE.malformed ? CLOSE.malformed : null);
    this.emit({ type: "closed", code });
  }

  private lost(): void {
    this.attempt += 1;
    this.drop(null);
    this.wait(null);
  }

  private wait(afterMs: number | null): void {
    this.clearTimer();
    this.failures += 1;
    const retryInMs = Math.max(backoff(this.failures), afterMs ?? 0);
    this.timer = this.ports.timers.set(() => {
      this.timer = null;
      void this.connect();
    }, retryInMs);
    this.emit({ type: "waiting", failures: this.failures, retryInMs });
  }

  /** Without a code the peer cannot take it for leaving. */
  private drop(code: number | null): void {
    const socket = this.socket;
    this.socket = null;
    this.greeted = false;
    if (socket === null) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    if (code === null) socket.close();
    else socket.close(code);
  }

  private clearTimer(): void {
    if (this.timer === null) return;
    this.ports.timers.clear(this.timer);
    this.timer = null;
  }
}
