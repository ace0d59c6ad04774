/**
 * What the pages show, derived from the call's state: pure questions to {@link CallState}, no memory of their own.
 * Kept apart from the reducer so that a page can never need to ask the state itself what it means.
 */

import { aboutText, type CallState } from "./model";
import { SLOT_COUNT, type Decision, type Participant, type RecordingStatus } from "./protocol";

export type ConnectionStatus = "connecting" | "connected" | "reconnecting" | "failed" | "ended";

/** What the person should do about it. */
export type Advice = "none" | "wait" | "check_internet" | "offline" | "other_network";

export interface Connection {
  readonly status: ConnectionStatus;
  readonly advice: Advice;
  /** Whether a "Try again now" button helps. */
  readonly canRetry: boolean;
}

/** After so many attempts in a row (0.5+1+2+4+8 s of waiting, about 16 s in all) patience is no longer the advice. */
export const FAILURES_UNTIL_FAILED = 5;
/** Signaling works but media does not: three attempts of up to 12 s. */
export const MEDIA_FAILURES_UNTIL_FAILED = 3;

export function connection(state: CallState): Connection {
  if (state.ending !== null) return { status: "ended", advice: "none", canRetry: false };
  const { signaling, media } = state;
  if (signaling.status === "open") {
    const needsMedia = state.snapshot?.self.place === "in_call";
    if (!needsMedia || media.status === "connected") return { status: "connected", advice: "none", canRetry: false };
    if (media.failures >= MEDIA_FAILURES_UNTIL_FAILED) {
      return { status: "failed", advice: "other_network", canRetry: true };
    }
    const again = media.failures > 0 || media.status === "interrupted";
    return { status: again && state.reached ? "reconnecting" : "connecting", advice: "wait", canRetry: false };
  }
  if (!state.online) {
    return { status: state.reached ? "reconnecting" : "failed", advice: "offline", canRetry: false };
  }
  if (signaling.failures >= FAILURES_UNTIL_FAILED) {
    return { status: "failed", advice: "check_internet", canRetry: true };
  }
  return {
    status: state.reached ? "reconnecting" : "connecting",
    advice: "wait",
    canRetry: signaling.status === "waiting",
  };
}

export function me(state: CallState): Participant | null {
  const id = state.snapshot?.self.id;
  return state.snapshot?.participants.find((person) => person.id === id) ?? null;
}

export function myName(state: CallState): string {
  return state.names[state.snapshot?.self.id ?? ""] ?? "";
}

/** Everyone else in the call, in the order of the snapshot. */
export function others(state: CallState): readonly Participant[] {
  const snapshot = state.snapshot;
  if (snapshot === null) return [];
  return snapshot.participants.filter((person) => person.id !== snapshot.self.id && person.place === "in_call");
}

/** Who waits in the lobby; empty for anyone who may not admit. */
export function waiting(state: CallState): readonly Participant[] {
  const snapshot = state.snapshot;
  if (snapshot === null || !snapshot.self.may_admit) return [];
  return snapshot.participants.filter((person) => person.id !== snapshot.self.id && person.place === "lobby");
}

export function slotOf(state: CallState, participant: string): number | null {
  return state.snapshot?.slots.find((entry) => entry.participant === participant)?.slot ?? null;
}

export function participantIn(state: CallState, slot: number): string | null {
  if (slot < 0 || slot >= SLOT_COUNT) return null;
  return state.snapshot?.slots.find((entry) => entry.slot === slot)?.participant ?? null;
}

export type TileSource = "camera" | "screen";

export interface Tile {
  /** Stable key: participant and source. */
  readonly key: string;
  readonly participant: Participant;
  readonly source: TileSource;
  readonly slot: number | null;
  /** Whether there is a moving picture to show; otherwise the initials are. */
  readonly picture: boolean;
}

/** One tile per remote person, and one more for each shared screen; screens first because they are shown large. */
export function tiles(state: CallState): readonly Tile[] {
  const people = others(state);
  const screens = people
    .filter((person) => person.screen)
    .map((participant): Tile => tile(state, participant, "screen", true));
  return [...screens, ...people.map((participant) => tile(state, participant, "camera", participant.camera))];
}

function tile(state: CallState, participant: Participant, source: TileSource, picture: boolean): Tile {
  return { key: `${participant.id}/${source}`, participant, source, slot: slotOf(state, participant.id), picture };
}

export interface ConsentPrompt {
  /** Null for a text that is not about a recording. */
  readonly recording: string | null;
  readonly text: string;
  readonly version: string;
  readonly askedBy: string;
  /** True when the others are already recorded and this person is new. */
  readonly newcomer: boolean;
  /** The words they decided about before were replaced. */
  readonly changed: boolean;
}

function myDecision(state: CallState): Decision | null {
  const recording = state.snapshot?.recording ?? null;
  const id = state.snapshot?.self.id;
  return recording?.decisions.find((entry) => entry.participant === id)?.decision ?? null;
}

/** The consent dialog that has to be on the screen now, or null. */
export function consentPrompt(state: CallState): ConsentPrompt | null {
  const snapshot = state.snapshot;
  if (state.ending !== null || snapshot === null) return null;
  const wanted = snapshot.wanted.find((one) => aboutText(one.text) !== state.deciding);
  if (wanted) return { ...wanted, recording: null, askedBy: "", newcomer: false, changed: false };
  if (snapshot.self.place !== "in_call") return null;
  const recording = snapshot.recording;
  if (recording === null || myDecision(state) !== "pending" || state.deciding === recording.id) return null;
  return {
    recording: recording.id,
    text: recording.text,
    version: recording.version,
    askedBy: state.names[recording.requested_by] ?? "",
    newcomer: recording.started_at !== null,
    changed: recording.text_changed,
  };
}

/** Why the recording button cannot be pressed now; null when it can. */
export type NoRecording = "running" | "alone" | "not_connected";

export function noRecording(state: CallState): NoRecording | null {
  const snapshot = state.snapshot;
  if (snapshot === null || snapshot.self.place !== "in_call" || state.signaling.status !== "open") return "not_connected";
  if (snapshot.recording !== null) return "running";
  return others(state).length === 0 ? "alone" : null;
}

/** Whether this person may ask to record at all. */
export function mayRecord(state: CallState): boolean {
  return state.snapshot?.self.may_record === true;
}

/** What somebody in the call decided about the recording. */
export type Stand = "pending" | "deny" | "audio" | "video" | "both";

export interface Standing {
  readonly participant: string;
  readonly name: string;
  readonly mine: boolean;
  readonly stand: Stand;
}

/** Everyone's decision about the recording that is asked for, in the order of the snapshot. */
export function standings(state: CallState): readonly Standing[] {
  const recording = state.snapshot?.recording ?? null;
  return (recording?.decisions ?? []).map((entry) => ({
    participant: entry.participant,
    name: state.names[entry.participant] ?? "…",
    mine: entry.participant === state.snapshot?.self.id,
    stand: entry.decision !== "permit" ? entry.decision : entry.audio && entry.video ? "both" : entry.audio ? "audio" : "video",
  }));
}

export interface RecordingView {
  readonly recording: RecordingStatus;
  /** Milliseconds since the epoch, or null before the first second. */
  readonly startedAt: number | null;
  /** Names of the people whose decision is still open; "me" is left out. */
  readonly undecided: readonly string[];
  /** Names of those who declined, so that it stays paused; "me" is left out. */
  readonly declined: readonly string[];
  readonly iDeclined: boolean;
  readonly awaitsMe: boolean;
  /** This participant has permitted and can take it back. */
  readonly mayWithdraw: boolean;
  readonly mayStop: boolean;
}

export function recordingView(state: CallState): RecordingView | null {
  const snapshot = state.snapshot;
  const recording = snapshot?.recording ?? null;
  if (state.ending !== null || snapshot === null || recording === null || snapshot.self.place !== "in_call") return null;
  const pending = recording.decisions.filter((entry) => entry.decision === "pending");
  const mine = myDecision(state);
  const startedAt = recording.started_at === null ? Number.NaN : Date.parse(recording.started_at);
  return {
    recording,
    startedAt: Number.isNaN(startedAt) ? null : startedAt,
    undecided: pending
      .filter((entry) => entry.participant !== snapshot.self.id)
      .map((entry) => state.names[entry.participant] ?? "…"),
    declined: recording.decisions
      .filter((entry) => entry.decision === "deny" && entry.participant !== snapshot.self.id)
      .map((entry) => state.names[entry.participant] ?? "…"),
    iDeclined: mine === "deny",
    awaitsMe: mine === "pending",
    mayWithdraw: mine === "permit",
    mayStop: snapshot.self.may_record,
  };
}
