/**
 * The call as one value and one pure function: `reduce(state, event)` gives the next state and what has to be done
 * about it. No DOM, no timers, no clock: whatever happens in a browser enters as an event.
 *
 * Invariants: a later snapshot replaces an earlier one entirely, so nothing depends on the order of events on the way;
 * once the call is over no event changes the state any more; an effect is only ever a consequence of one event.
 */

import { CLOSE, type ChatIn, type Disposition, type Participant, type RecordingOutcome, type Sending, type Snapshot } from "./protocol";
import type { Quality } from "./quality";

/** Why the call is over for this browser. */
export type Ending =
  | "left"
  | "removed"
  | "turned_away"
  | "replaced"
  | "consultation_ended"
  | "consultation_cancelled"
  /** The server does not accept this browser's credential any more. */
  | "refused"
  /** One of the two sides broke the protocol; joining again is the way out. */
  | "fault";

/** `interrupted`: ICE reports a loss that may still heal by itself. */
export type MediaStatus = "none" | "negotiating" | "connected" | "interrupted" | "failed";

export interface ChatEntry {
  readonly id: string;
  readonly from: string;
  /** As it was when the message came: the sender may be gone later. */
  readonly name: string;
  readonly text: string;
  readonly own: boolean;
  /** Milliseconds since the epoch, of this browser. */
  readonly at: number;
  readonly delivery: "sending" | "delivered";
}

export interface RecordingNotice {
  readonly id: string;
  readonly outcome: RecordingOutcome;
  /** The participant's name, or null where nobody in particular decided. */
  readonly by: string | null;
  readonly byMe: boolean;
  /** Something was recorded before: then a refusal ended the recording, else it kept it from beginning. */
  readonly hadBegun: boolean;
  /** What becomes of what was recorded, where somebody withdrew. */
  readonly kept: Disposition | null;
}

export interface CallState {
  readonly ending: Ending | null;
  readonly signaling: {
    readonly status: "connecting" | "open" | "waiting";
    /** Attempts that failed since the last success. */
    readonly failures: number;
    /** Milliseconds until the next attempt, while `waiting`. */
    readonly retryInMs: number;
  };
  readonly media: { readonly status: MediaStatus; readonly failures: number };
  /** Whether the whole path (for a caller: with media) has worked at least once since the page was opened. */
  readonly reached: boolean;
  readonly online: boolean;
  readonly snapshot: Snapshot | null;
  /** What this browser sends; the truth for the own controls. The snapshot only echoes it. */
  readonly sending: Sending;
  readonly chat: {
    readonly open: boolean;
    readonly visible: boolean;
    readonly unread: number;
    readonly entries: readonly ChatEntry[];
  };
  readonly notice: RecordingNotice | null;
  /** What a decision on its way to the server is about (see `about`): its dialog must not come up again meanwhile. */
  readonly deciding: string | null;
  readonly quality: Quality;
  /** Names by participant id, kept for people who have left. */
  readonly names: Readonly<Record<string, string>>;
}

export type CallEvent =
  | { readonly type: "signaling_connecting" }
  | { readonly type: "signaling_open" }
  | { readonly type: "signaling_waiting"; readonly failures: number; readonly retryInMs: number }
  | { readonly type: "signaling_closed"; readonly code: number }
  | { readonly type: "join_refused"; readonly reason: "ended" | "cancelled" | "refused" }
  | { readonly type: "snapshot"; readonly snapshot: Snapshot }
  | { readonly type: "media"; readonly status: MediaStatus }
  | { readonly type: "online"; readonly online: boolean }
  | { readonly type: "sending"; readonly sending: Sending }
  | { readonly type: "chat_open" }
  | { readonly type: "chat_closed" }
  | { readonly type: "chat_sent"; readonly id: string; readonly text: string; readonly at: number }
  | { readonly type: "chat_received"; readonly chat: ChatIn; readonly at: number }
  | { readonly type: "chat_visible"; readonly visible: boolean }
  | { readonly type: "deciding"; readonly about: string | null }
  | { readonly type: "dismiss_notice" }
  | { readonly type: "quality"; readonly quality: Quality }
  | { readonly type: "leave" };

/** What the imperative shell (session.ts) and the pages do about an event. */
export type Effect =
  /** Make a new peer connection and offer. */
  | { readonly kind: "offer" }
  /** Close the peer connection: this participant is not in the call. */
  | { readonly kind: "stop_media" }
  /** Give everything back: camera, microphone, peer connection, socket. */
  | { readonly kind: "release" }
  | { readonly kind: "tell_state"; readonly sending: Sending }
  | { readonly kind: "chat_resend"; readonly entries: readonly ChatEntry[] }
  /** Someone new waits in the lobby: chime, title, notice. */
  | { readonly kind: "arrival"; readonly people: readonly Participant[] }
  | { readonly kind: "admitted" }
  | { readonly kind: "entered"; readonly name: string }
  | { readonly kind: "went"; readonly name: string }
  | { readonly kind: "chat_arrived"; readonly name: string; readonly text: string }
  | { readonly kind: "recording"; readonly change: "requested" | "active" | "paused" | RecordingOutcome };

export interface Step {
  readonly state: CallState;
  readonly effects: readonly Effect[];
}

export function initialState(sending: Sending): CallState {
  return {
    ending: null,
    signaling: { status: "connecting", failures: 0, retryInMs: 0 },
    media: { status: "none", failures: 0 },
    reached: false,
    online: true,
    snapshot: null,
    sending,
    chat: { open: false, visible: false, unread: 0, entries: [] },
    notice: null,
    deciding: null,
    quality: "unknown",
    names: {},
  };
}

export function reduce(state: CallState, event: CallEvent): Step {
  if (state.ending !== null) return unchanged(state);
  switch (event.type) {
    case "signaling_connecting":
      return unchanged({ ...state, signaling: { ...state.signaling, status: "connecting", retryInMs: 0 } });
    case "signaling_open":
      // The first snapshot, not the bare socket, is proof that the server let us in: failures are reset there.
      return unchanged({ ...state, signaling: { ...state.signaling, status: "connecting" } });
    case "signaling_waiting":
      return unchanged({
        ...state,
        signaling: { status: "waiting", failures: event.failures, retryInMs: event.retryInMs },
      });
    case "signaling_closed":
      return over(state, endingOf(event.code, state));
    case "join_refused":
      return over(
        state,
        event.reason === "ended"
          ? "consultation_ended"
          : event.reason === "cancelled"
            ? "consultation_cancelled"
            : "refused",
      );
    case "snapshot":
      return applySnapshot(state, event.snapshot);
    case "media":
      return unchanged(applyMedia(state, event.status));
    case "online":
      return unchanged({ ...state, online: event.online });
    case "sending":
      return {
        state: { ...state, sending: event.sending },
        effects: state.signaling.status === "open" ? [{ kind: "tell_state", sending: event.sending }] : [],
      };
    case "chat_open": {
      const waiting = state.chat.entries.filter((entry) => entry.own && entry.delivery === "sending");
      return {
        state: { ...state, chat: { ...state.chat, open: true } },
        effects: waiting.length > 0 ? [{ kind: "chat_resend", entries: waiting }] : [],
      };
    }
    case "chat_closed":
      return unchanged({ ...state, chat: { ...state.chat, open: false } });
    case "chat_sent":
      return unchanged(chatSent(state, event));
    case "chat_received":
      return chatReceived(state, event.chat, event.at);
    case "chat_visible":
      return unchanged({
        ...state,
        chat: { ...state.chat, visible: event.visible, unread: event.visible ? 0 : state.chat.unread },
      });
    case "deciding":
      // the snapshot with the answer may have been faster than the answer to the request
      return unchanged({ ...state, deciding: state.snapshot && stillDeciding(event.about, state.snapshot) });
    case "dismiss_notice":
      return unchanged({ ...state, notice: null });
    case "quality":
      return unchanged({ ...state, quality: event.quality });
    case "leave":
      return over(state, "left");
  }
}

function unchanged(state: CallState): Step {
  return { state, effects: [] };
}

function over(state: CallState, ending: Ending): Step {
  return {
    state: {
      ...state,
      ending,
      media: { status: "none", failures: 0 },
      chat: { ...state.chat, open: false },
      sending: { microphone: false, camera: false, screen: false },
    },
    effects: [{ kind: "release" }],
  };
}

function endingOf(code: number, state: CallState): Ending {
  switch (code) {
    case CLOSE.left:
      return "left";
    case CLOSE.refused:
      return "refused";
    case CLOSE.removed:
      return state.snapshot?.self.place === "in_call" ? "removed" : "turned_away";
    case CLOSE.replaced:
      return "replaced";
    case CLOSE.ended:
      return "consultation_ended";
    default:
      return "fault";
  }
}

function applyMedia(state: CallState, status: MediaStatus): CallState {
  switch (status) {
    case "connected":
      return { ...state, media: { status, failures: 0 }, reached: true };
    case "failed":
      return { ...state, media: { status, failures: state.media.failures + 1 }, quality: "unknown" };
    default:
      return { ...state, media: { ...state.media, status } };
  }
}

function applySnapshot(before: CallState, snapshot: Snapshot): Step {
  if (snapshot.consultation.status === "completed") return over({ ...before, snapshot }, "consultation_ended");
  if (snapshot.consultation.status === "cancelled") return over({ ...before, snapshot }, "consultation_cancelled");

  const effects: Effect[] = [];
  const previous = before.snapshot;
  const inCall = snapshot.self.place === "in_call";
  const reopened = before.signaling.status !== "open";
  const names = { ...before.names };
  for (const person of snapshot.participants) names[person.id] = person.name;

  let media = before.media;
  if (inCall && (reopened || previous?.self.place !== "in_call")) {
    effects.push({ kind: "offer" });
  } else if (!inCall && before.media.status !== "none") {
    media = { status: "none", failures: 0 };
    effects.push({ kind: "stop_media" });
  }
  if (reopened) effects.push({ kind: "tell_state", sending: before.sending });
  if (inCall && previous !== null && previous.self.place === "lobby") effects.push({ kind: "admitted" });

  effects.push(...peopleEffects(previous, snapshot));
  const { notice, recordingEffects } = recordingChange(before, snapshot, names);
  effects.push(...recordingEffects);

  return {
    state: {
      ...before,
      snapshot,
      names,
      media,
      notice,
      reached: before.reached || !inCall,
      signaling: { status: "open", failures: 0, retryInMs: 0 },
      deciding: stillDeciding(before.deciding, snapshot),
    },
    effects,
  };
}

/** Who came and who went, as the difference of two snapshots. Nobody "enters" in the first one, but they do wait. */
function peopleEffects(previous: Snapshot | null, next: Snapshot): Effect[] {
  const effects: Effect[] = [];
  const me = next.self.id;
  const placeBefore = new Map((previous?.participants ?? []).map((person) => [person.id, person.place]));

  if (next.self.may_admit) {
    const arrived = next.participants.filter(
      (person) => person.id !== me && person.place === "lobby" && placeBefore.get(person.id) !== "lobby",
    );
    if (arrived.length > 0) effects.push({ kind: "arrival", people: arrived });
  }
  if (previous === null || previous.self.place !== "in_call" || next.self.place !== "in_call") return effects;

  for (const person of next.participants) {
    if (person.id !== me && person.place === "in_call" && placeBefore.get(person.id) !== "in_call") {
      effects.push({ kind: "entered", name: person.name });
    }
  }
  const inCallNow = new Set(next.participants.filter((p) => p.place === "in_call").map((p) => p.id));
  for (const person of previous.participants) {
    if (person.id !== me && person.place === "in_call" && !inCallNow.has(person.id)) {
      effects.push({ kind: "went", name: person.name });
    }
  }
  return effects;
}

function recordingChange(
  before: CallState,
  snapshot: Snapshot,
  names: Readonly<Record<string, string>>,
): { notice: RecordingNotice | null; recordingEffects: Effect[] } {
  const old = before.snapshot;
  const now = snapshot.recording;
  const last = snapshot.last_recording;
  const recordingEffects: Effect[] = [];
  let notice = before.notice;

  if (now !== null && (old?.recording?.id !== now.id || old.recording.state !== now.state)) {
    recordingEffects.push({ kind: "recording", change: now.state });
    notice = null;
  }
  // On a fresh page the last recording is history, not news.
  const news =
    old !== null &&
    last !== null &&
    (old.last_recording?.id !== last.id || old.last_recording.outcome !== last.outcome) &&
    now === null;
  if (news) {
    recordingEffects.push({ kind: "recording", change: last.outcome });
    notice = {
      id: last.id,
      outcome: last.outcome,
      by: last.by === null ? null : (names[last.by] ?? null),
      byMe: last.by !== null && last.by === snapshot.self.id,
      hadBegun: old.recording?.id === last.id && old.recording.started_at !== null,
      kept: last.kept,
    };
  }
  return { notice, recordingEffects };
}

/** How `deciding` names a text that is not about a recording. */
export function aboutText(text: string): string {
  return `text:${text}`;
}

function stillDeciding(deciding: string | null, snapshot: Snapshot): string | null {
  if (deciding === null) return null;
  if (snapshot.wanted.some((one) => aboutText(one.text) === deciding)) return deciding;
  if (snapshot.recording?.id !== deciding) return null;
  const mine = snapshot.recording.decisions.find((entry) => entry.participant === snapshot.self.id);
  return mine?.decision === "pending" ? deciding : null;
}

function chatSent(state: CallState, event: { id: string; text: string; at: number }): CallState {
  const me = state.snapshot?.self.id ?? "";
  const entry: ChatEntry = {
    id: event.id,
    from: me,
    name: state.names[me] ?? "",
    text: event.text,
    own: true,
    at: event.at,
    delivery: "sending",
  };
  return { ...state, chat: { ...state.chat, entries: [...state.chat.entries, entry] } };
}

function chatReceived(state: CallState, chat: ChatIn, at: number): Step {
  const { entries } = state.chat;
  if (chat.from === state.snapshot?.self.id) {
    // The receipt. A message of this participant that this page never sent belongs to a page before the reload.
    return unchanged({
      ...state,
      chat: {
        ...state.chat,
        entries: entries.map((entry) =>
          entry.own && entry.id === chat.id ? { ...entry, delivery: "delivered" as const } : entry,
        ),
      },
    });
  }
  // A sender who lost the connection sends again under the same id.
  if (entries.some((entry) => entry.from === chat.from && entry.id === chat.id)) return unchanged(state);
  const name = state.names[chat.from] ?? "";
  const entry: ChatEntry = { ...chat, name, own: false, at, delivery: "delivered" };
  return {
    state: {
      ...state,
      chat: {
        ...state.chat,
        entries: [...entries, entry],
        unread: state.chat.visible ? 0 : state.chat.unread + 1,
      },
    },
    effects: [{ kind: "chat_arrived", name, text: chat.text }],
  };
}
