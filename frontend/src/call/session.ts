/**
 * One person's way through one consultation: wires the pure model to signaling, peer connection and local media.
 * The only place that carries out {@link Effect}s of the model.
 *
 * Invariants: at most one peer connection is alive; an answer is used only for the offer it answers; when the call is
 * over everything has been given back, whatever the reason. The page that made the session may still show its last state.
 */

import type { LocalMedia } from "./local-media";
import { initialState, reduce, type CallEvent, type CallState, type Effect, type MediaStatus } from "./model";
import { CallPeer, type MakePeerConnection, type RemoteStreams } from "./peer";
import { SUBPROTOCOL, ProtocolError, encodeChat, parseChat, type ChatIn } from "./protocol";
import { NO_TOTALS, add, type Totals } from "./quality";
import { SignalingClient, backoff, type Socket, type SignalingEvent, type TicketOutcome, type Timers } from "./signaling";

/** An offer that stays without an answer for so long means a socket that only looks open. */
export const ANSWER_TIMEOUT_MS = 10_000;

export interface SessionPorts {
  readonly ticket: () => Promise<TicketOutcome>;
  /** Tells the server that this participant leaves, durably: a reload must not bring them back with their camera on. */
  readonly leaveByHttp: () => void;
  readonly iceServers: readonly RTCIceServer[];
  readonly openSocket: () => Socket;
  readonly timers: Timers;
  readonly now: () => number;
  readonly newId: () => string;
  readonly makePeerConnection?: MakePeerConnection;
}

/** The ports of a real browser page. */
export function browserPorts(
  ticket: () => Promise<TicketOutcome>,
  leaveByHttp: () => void,
  iceServers: readonly RTCIceServer[],
): SessionPorts {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return {
    ticket,
    leaveByHttp,
    iceServers,
    // A WebSocket has all that `Socket` asks for; only the declared `this` of its handlers differs.
    openSocket: () => new WebSocket(`${scheme}//${location.host}/api/v1/signaling`, SUBPROTOCOL) as unknown as Socket,
    timers: {
      set: (callback, milliseconds) => window.setTimeout(callback, milliseconds),
      clear: (timer) => window.clearTimeout(timer),
    },
    now: () => Date.now(),
    newId: () => crypto.randomUUID(),
  };
}

export class CallSession {
  private callState: CallState;
  private readonly signaling: SignalingClient;
  private peer: CallPeer | null = null;
  /** Offers on the present socket that have no answer yet. Answers come in order; only the last offer's counts. */
  private unanswered = 0;
  private former: Totals = NO_TOTALS;
  private present: Totals = NO_TOTALS;
  private offerTimer: number | null = null;
  private answerTimer: number | null = null;
  private readonly listeners = new Set<() => void>();
  private readonly effectListeners = new Set<(effect: Effect) => void>();
  private readonly detach: () => void;
  private told = "";

  constructor(
    private readonly ports: SessionPorts,
    readonly media: LocalMedia,
  ) {
    this.callState = initialState(media.sending);
    this.signaling = new SignalingClient(
      { ticket: ports.ticket, open: ports.openSocket, timers: ports.timers },
      (event) => this.onSignaling(event),
    );
    this.detach = media.subscribe(() => this.localMediaChanged());
  }

  get state(): CallState {
    return this.callState;
  }

  /** What came in since the page was opened, over all peer connections. */
  get totals(): Totals {
    return add(this.former, this.present);
  }

  remote(slot: number | null): RemoteStreams | null {
    return slot === null ? null : (this.peer?.remote[slot] ?? null);
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onEffect(listener: (effect: Effect) => void): () => void {
    this.effectListeners.add(listener);
    return () => this.effectListeners.delete(listener);
  }

  start(): void {
    this.signaling.start();
  }

  setOnline(online: boolean): void {
    this.dispatch({ type: "online", online });
    if (online) this.signaling.retryNow();
  }

  /** "Try again now". */
  retry(): void {
    if (this.callState.signaling.status === "waiting") {
      this.signaling.retryNow();
    } else if (this.callState.signaling.status === "open" && this.callState.snapshot?.self.place === "in_call") {
      this.offerSoon(0);
    }
  }

  /** Leaves on purpose; camera and microphone are released before this returns. */
  leave(): void {
    if (this.callState.ending !== null) return;
    this.signaling.leave();
    this.ports.leaveByHttp();
    this.dispatch({ type: "leave" });
  }

  /** The page goes away without the person having left: the place in the call is kept. */
  dispose(): void {
    this.release();
    this.listeners.clear();
    this.effectListeners.clear();
  }

  sendChat(text: string): boolean {
    const id = this.ports.newId();
    const frame = encodeChat({ id, text });
    if (frame === null) return false;
    this.dispatch({ type: "chat_sent", id, text, at: this.ports.now() });
    this.peer?.sendChat(frame);
    return true;
  }

  dispatch(event: CallEvent): void {
    const step = reduce(this.callState, event);
    const changed = step.state !== this.callState;
    this.callState = step.state;
    for (const effect of step.effects) this.carryOut(effect);
    for (const effect of step.effects) for (const listener of this.effectListeners) listener(effect);
    if (changed) this.notify();
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }

  private carryOut(effect: Effect): void {
    switch (effect.kind) {
      case "offer":
        this.offerSoon(0);
        break;
      case "stop_media":
        this.closePeer();
        break;
      case "release":
        this.release();
        break;
      case "tell_state":
        this.signaling.send({ type: "state", ...effect.sending });
        break;
      case "chat_resend":
        for (const entry of effect.entries) {
          const frame = encodeChat(entry);
          if (frame !== null) this.peer?.sendChat(frame);
        }
        break;
      default:
      // The rest is for the pages: sounds and words.
    }
  }

  private onSignaling(event: SignalingEvent): void {
    switch (event.type) {
      case "connecting":
        this.dispatch({ type: "signaling_connecting" });
        break;
      case "open":
        this.unanswered = 0;
        this.dispatch({ type: "signaling_open" });
        break;
      case "waiting":
        this.clearTimer("offerTimer");
        this.clearTimer("answerTimer");
        this.dispatch({ type: "signaling_waiting", failures: event.failures, retryInMs: event.retryInMs });
        break;
      case "closed":
        this.dispatch({ type: "signaling_closed", code: event.code });
        break;
      case "refused":
        this.dispatch({ type: "join_refused", reason: event.reason });
        break;
      case "message":
        if (event.message.type === "snapshot") {
          this.dispatch({ type: "snapshot", snapshot: event.message });
        } else if (event.message.type === "answer") {
          this.answered(event.message.sdp);
        } else if (event.message.code === "NEGOTIATION") {
          this.unanswered = Math.max(0, this.unanswered - 1);
          if (this.unanswered === 0) this.mediaChanged("failed");
        }
    }
  }

  private offerSoon(afterMs: number): void {
    this.clearTimer("offerTimer");
    if (afterMs === 0) {
      void this.offer();
      return;
    }
    this.offerTimer = this.ports.timers.set(() => {
      this.offerTimer = null;
      void this.offer();
    }, afterMs);
  }

  private async offer(): Promise<void> {
    this.closePeer();
    this.dispatch({ type: "media", status: "negotiating" });
    const make = this.ports.makePeerConnection;
    const peer: CallPeer = new CallPeer(
      this.ports.iceServers,
      {
        media: (status) => {
          if (this.peer === peer) this.mediaChanged(status);
        },
        chatOpen: (open) => {
          if (this.peer === peer) this.dispatch({ type: open ? "chat_open" : "chat_closed" });
        },
        chat: (text) => {
          if (this.peer === peer) this.chatArrived(text);
        },
        totals: (totals, quality) => {
          if (this.peer !== peer) return;
          this.present = totals;
          this.dispatch({ type: "quality", quality });
        },
      },
      this.ports.timers,
      make,
    );
    this.peer = peer;
    this.notify();
    try {
      await this.applyTracks(peer);
      const sdp = await peer.offer();
      if (this.peer !== peer) return;
      if (!this.signaling.send({ type: "offer", sdp, key_epoch: 0 })) return;
      // A new offer begins media anew, and with it what the others are told to expect.
      this.signaling.send({ type: "state", ...this.media.sending });
      this.unanswered += 1;
      this.clearTimer("answerTimer");
      this.answerTimer = this.ports.timers.set(() => {
        this.answerTimer = null;
        this.signaling.reopen();
      }, ANSWER_TIMEOUT_MS);
    } catch {
      if (this.peer === peer) this.mediaChanged("failed");
    }
  }

  private answered(sdp: string): void {
    this.unanswered = Math.max(0, this.unanswered - 1);
    const peer = this.peer;
    if (this.unanswered > 0 || peer === null) return;
    this.clearTimer("answerTimer");
    peer.accept(sdp).catch(() => {
      if (this.peer === peer) this.mediaChanged("failed");
    });
  }

  private mediaChanged(status: MediaStatus): void {
    this.dispatch({ type: "media", status });
    if (status !== "failed" || this.callState.ending !== null) return;
    this.clearTimer("answerTimer");
    if (this.callState.signaling.status === "open") this.offerSoon(backoff(this.callState.media.failures));
  }

  private chatArrived(text: string): void {
    let chat: ChatIn;
    try {
      chat = parseChat(text);
    } catch (error) {
      if (error instanceof ProtocolError) return;
      throw error;
    }
    this.dispatch({ type: "chat_received", chat, at: this.ports.now() });
  }

  private localMediaChanged(): void {
    if (this.peer !== null) void this.applyTracks(this.peer);
    const sending = this.media.sending;
    const told = JSON.stringify(sending);
    if (told !== this.told) {
      this.told = told;
      this.dispatch({ type: "sending", sending });
    }
    this.notify();
  }

  private async applyTracks(peer: CallPeer): Promise<void> {
    const view = this.media.current;
    await peer.setTrack("microphone", view.microphone.kind === "on" ? view.microphoneTrack : null);
    await peer.setTrack("camera", view.camera.kind === "on" ? view.cameraTrack : null);
    await peer.setTrack("screen", view.screenTrack);
  }

  private release(): void {
    this.clearTimer("offerTimer");
    this.clearTimer("answerTimer");
    this.detach();
    this.signaling.stop();
    this.closePeer();
    this.media.stopAll();
  }

  private closePeer(): void {
    const peer = this.peer;
    if (peer === null) return;
    this.peer = null;
    this.former = add(this.former, this.present);
    this.present = NO_TOTALS;
    peer.close();
    this.dispatch({ type: "chat_closed" });
  }

  private clearTimer(which: "offerTimer" | "answerTimer"): void {
    const timer = this[which];
    if (timer === null) return;
    this.ports.timers.clear(timer);
    this[which] = null;
  }
}
