/**
 * One RTCPeerConnection with exactly the m-lines of docs/signaling-protocol.md: three sending, nine receiving, one
 * data channel. Nothing is ever renegotiated: tracks come and go with `replaceTrack`, and a connection that failed is
 * thrown away and replaced by a new {@link CallPeer}.
 *
 * Invariant: after {@link CallPeer.close} no callback is called and no timer runs.
 */

import type { MediaStatus } from "./model";
import { MAX_CHAT_BYTES, SLOT_COUNT, byteLength } from "./protocol";
import { NO_TOTALS, judge, readTotals, type Quality, type Totals } from "./quality";
import type { Timers } from "./signaling";

export type SendingKind = "microphone" | "camera" | "screen";

export interface RemoteStreams {
  readonly microphone: MediaStream;
  readonly camera: MediaStream;
  readonly screen: MediaStream;
}

export interface PeerEvents {
  readonly media: (status: MediaStatus) => void;
  readonly chatOpen: (open: boolean) => void;
  readonly chat: (text: string) => void;
  readonly totals: (totals: Totals, quality: Quality) => void;
}

/** Bit/s. Enough for 720p30 of a talking person in VP8; two such calls fit an ADSL uplink. */
export const CAMERA_MAX_BITRATE = 1_200_000;
/** Slides and documents need sharpness more than motion. */
export const SCREEN_MAX_BITRATE = 1_500_000;
/** ICE often heals a short loss by itself. */
export const DISCONNECTED_PATIENCE_MS = 4000;
/** From the answer to `connected`; DTLS retransmits at 1, 2 and 4 s. */
export const CONNECT_TIMEOUT_MS = 12_000;
export const STATS_INTERVAL_MS = 1000;

export type MakePeerConnection = (configuration: RTCConfiguration) => RTCPeerConnection;

export class CallPeer {
  readonly remote: readonly RemoteStreams[];
  private readonly pc: RTCPeerConnection;
  private readonly senders: Record<SendingKind, RTCRtpSender>;
  private readonly channel: RTCDataChannel;
  private readonly timerIds = new Set<number>();
  private patience: number | null = null;
  private last: Totals = NO_TOTALS;
  private status: MediaStatus = "negotiating";
  private closed = false;

  constructor(
    iceServers: readonly RTCIceServer[],
    private readonly events: PeerEvents,
    private readonly timers: Timers,
    make: MakePeerConnection = (configuration) => new RTCPeerConnection(configuration),
  ) {
    const pc = make({ bundlePolicy: "max-bundle", iceServers: [...iceServers] });
    this.pc = pc;
    const microphone = sending(pc, "audio", null);
    const camera = sending(pc, "video", CAMERA_MAX_BITRATE);
    const screen = sending(pc, "video", SCREEN_MAX_BITRATE);
    this.senders = { microphone: microphone.sender, camera: camera.sender, screen: screen.sender };
    const remote: RemoteStreams[] = [];
    for (let slot = 0; slot < SLOT_COUNT; slot += 1) {
      remote.push({
        microphone: receiving(pc, "audio"),
        camera: receiving(pc, "video"),
        screen: receiving(pc, "video"),
      });
    }
    this.remote = remote;
    this.channel = pc.createDataChannel("chat", { ordered: true });
    this.channel.onopen = () => this.tell(() => this.events.chatOpen(true));
    this.channel.onclose = () => this.tell(() => this.events.chatOpen(false));
    this.channel.onmessage = (event: MessageEvent) => {
      if (typeof event.data === "string") this.tell(() => this.events.chat(event.data as string));
    };
    pc.onconnectionstatechange = () => this.connectionChanged();
  }

  /** The SDP to send. Candidates are not awaited: the gateway learns the browser's address from its checks. */
  async offer(): Promise<string> {
    const offer = await this.pc.createOffer();
    await this.pc.setLocalDescription(offer);
    return this.pc.localDescription?.sdp ?? offer.sdp ?? "";
  }

  async accept(sdp: string): Promise<void> {
    if (this.closed) return;
    await this.pc.setRemoteDescription({ type: "answer", sdp });
    if (this.closed) return;
    this.after(CONNECT_TIMEOUT_MS, () => {
      if (this.status === "negotiating") this.become("failed");
    });
    this.poll();
  }

  /** Sends this track from now on, or nothing. Refused tracks (wrong kind, ended) are treated as nothing. */
  async setTrack(kind: SendingKind, track: MediaStreamTrack | null): Promise<void> {
    if (this.closed) return;
    const sender = this.senders[kind];
    if (sender.track === track) return;
    try {
      await sender.replaceTrack(track);
    } catch {
      if (!this.closed) await sender.replaceTrack(null).catch(() => undefined);
    }
  }

  /** True when the frame was handed to the data channel. */
  sendChat(frame: string): boolean {
    if (this.closed || this.channel.readyState !== "open" || byteLength(frame) > MAX_CHAT_BYTES) return false;
    this.channel.send(frame);
    return true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const id of this.timerIds) this.timers.clear(id);
    this.timerIds.clear();
    this.pc.onconnectionstatechange = null;
    this.channel.onopen = null;
    this.channel.onclose = null;
    this.channel.onmessage = null;
    this.pc.close();
  }

  private connectionChanged(): void {
    switch (this.pc.connectionState) {
      case "connected":
        this.forget(this.patience);
        this.patience = null;
        this.become("connected");
        break;
      case "disconnected":
        this.become("interrupted");
        this.patience = this.after(DISCONNECTED_PATIENCE_MS, () => this.become("failed"));
        break;
      case "failed":
      case "closed":
        this.become("failed");
        break;
      default:
    }
  }

  private become(status: MediaStatus): void {
    if (this.closed || this.status === status || this.status === "failed") return;
    this.status = status;
    this.events.media(status);
  }

  private poll(): void {
    this.after(STATS_INTERVAL_MS, () => {
      void this.readStats().finally(() => {
        if (!this.closed && this.status !== "failed") this.poll();
      });
    });
  }

  private async readStats(): Promise<void> {
    const report = await this.pc.getStats().catch(() => null);
    if (report === null || this.closed) return;
    const entries: Record<string, unknown>[] = [];
    report.forEach((entry: Record<string, unknown>) => entries.push(entry));
    const totals = readTotals(entries);
    const quality = judge(this.last, totals);
    this.last = totals;
    this.events.totals(totals, quality);
  }

  private tell(callback: () => void): void {
    if (!this.closed) callback();
  }

  private after(milliseconds: number, callback: () => void): number {
    const id = this.timers.set(() => {
      this.timerIds.delete(id);
      if (!this.closed) callback();
    }, milliseconds);
    this.timerIds.add(id);
    return id;
  }

  private forget(timer: number | null): void {
    if (timer === null) return;
    this.timers.clear(timer);
    this.timerIds.delete(timer);
  }
}

function sending(pc: RTCPeerConnection, kind: "audio" | "video", maxBitrate: number | null): RTCRtpTransceiver {
  const transceiver = pc.addTransceiver(kind, {
    direction: "sendonly",
    ...(maxBitrate === null ? {} : { sendEncodings: [{ maxBitrate }] }),
  });
  preferCodec(transceiver, kind);
  return transceiver;
}

function receiving(pc: RTCPeerConnection, kind: "audio" | "video"): MediaStream {
  const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
  preferCodec(transceiver, kind);
  return new MediaStream([transceiver.receiver.track]);
}

/** Only what the gateway speaks is offered: it keeps twelve m-lines far below the 64 KiB of a signaling message. */
function preferCodec(transceiver: RTCRtpTransceiver, kind: "audio" | "video"): void {
  const wanted = kind === "audio" ? "audio/opus" : "video/vp8";
  const known = globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? [];
  const chosen = known.filter((codec) => codec.mimeType.toLowerCase() === wanted);
  if (chosen.length === 0 || typeof transceiver.setCodecPreferences !== "function") return;
  try {
    transceiver.setCodecPreferences(chosen);
  } catch {
    // The preference only saves bytes; the answer decides what is used.
  }
}
