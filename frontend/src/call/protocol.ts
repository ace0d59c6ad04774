/**
 * The browser's side of docs/signaling-protocol.md: the types of every message and the only parser for them.
 *
 * Invariant: nothing that came over the network is used before it passed a parser here. Unknown members are ignored
 * (they do not survive parsing), an unknown `type` or a member of the wrong shape rejects the whole message.
 * The fixtures in tests/fixtures/signaling/ hold both sides of the protocol to the same words.
 */

export const SUBPROTOCOL = "bedside.v1";
/** Largest signaling message, in bytes of UTF-8. */
export const MAX_MESSAGE_BYTES = 64 * 1024;
/** Largest chat frame on the data channel, in bytes of UTF-8. */
export const MAX_CHAT_BYTES = 4 * 1024;
/** Longest chat text, in characters (Unicode scalar values). */
export const MAX_CHAT_TEXT = 2000;
/** Remote participants whose media one connection can carry. */
export const SLOT_COUNT = 3;

export const CLOSE = {
  left: 1000,
  malformed: 4400,
  refused: 4401,
  removed: 4403,
  replaced: 4409,
  ended: 4410,
  flooded: 4429,
} as const;

/** After one of these the browser does not come back by itself. */
export const FINAL_CLOSE_CODES: ReadonlySet<number> = new Set(Object.values(CLOSE));

const ROLES = ["practitioner", "patient", "related_person", "interpreter", "observer"] as const;
const STATUSES = ["planned", "in_progress", "completed", "cancelled"] as const;
const PLACES = ["lobby", "in_call"] as const;
const PRESENCES = ["connected", "reconnecting"] as const;
const RECORDING_STATES = ["requested", "active", "paused"] as const;
const DECISIONS = ["pending", "permit", "deny"] as const;
const KINDS = ["audio", "video"] as const;
const DISPOSITIONS = ["keep", "keep_until_review", "destroy"] as const;
const OUTCOMES = ["refused", "withdrawn", "stopped", "failed"] as const;

export type Role = (typeof ROLES)[number];
export type ConsultationStatus = (typeof STATUSES)[number];
export type Place = (typeof PLACES)[number];
export type Presence = (typeof PRESENCES)[number];
export type RecordingState = (typeof RECORDING_STATES)[number];
export type Decision = (typeof DECISIONS)[number];
export type Kind = (typeof KINDS)[number];
/** What becomes of what was recorded when somebody withdraws. */
export type Disposition = (typeof DISPOSITIONS)[number];
export type RecordingOutcome = (typeof OUTCOMES)[number];

export interface Sending {
  readonly microphone: boolean;
  readonly camera: boolean;
  readonly screen: boolean;
}

export interface Participant extends Sending {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly place: Place;
  readonly presence: Presence;
}

export interface Self {
  readonly id: string;
  readonly role: Role;
  readonly place: Place;
  readonly may_admit: boolean;
  readonly may_record: boolean;
  readonly may_end: boolean;
}

export interface Slot {
  /** 0 to 2; fixes the m-lines that carry this participant. */
  readonly slot: number;
  readonly participant: string;
}

export interface RecordingDecision {
  readonly participant: string;
  readonly decision: Decision;
  /** What they permit of themself. */
  readonly audio: boolean;
  readonly video: boolean;
}

export interface RecordingStatus {
  readonly id: string;
  readonly state: RecordingState;
  readonly requested_by: string;
  /** RFC 3339, null until the recording first became active. */
  readonly started_at: string | null;
  readonly text: string;
  /** The version this participant is to decide about. */
  readonly version: string;
  /** They are asked anew, because the words they decided about were replaced. */
  readonly text_changed: boolean;
  /** What it is asked for. */
  readonly kinds: readonly Kind[];
  readonly decisions: readonly RecordingDecision[];
}

export interface LastRecording {
  readonly id: string;
  readonly outcome: RecordingOutcome;
  readonly by: string | null;
  /** Where somebody withdrew after it had begun. */
  readonly kept: Disposition | null;
}

/** A text this participant is asked about now, apart from the recording. */
export interface WantedText {
  readonly text: string;
  readonly version: string;
}

/** Somebody who may not come in, because they declined or withdrew what is required. */
export interface DeclinedPerson {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly withdrawn: boolean;
}

export interface Snapshot {
  readonly type: "snapshot";
  readonly consultation: { readonly id: string; readonly status: ConsultationStatus };
  readonly self: Self;
  readonly participants: readonly Participant[];
  readonly slots: readonly Slot[];
  readonly recording: RecordingStatus | null;
  readonly last_recording: LastRecording | null;
  readonly wanted: readonly WantedText[];
  readonly declined: readonly DeclinedPerson[];
}

export interface Answer {
  readonly type: "answer";
  readonly sdp: string;
  readonly key_epoch: number;
}

export interface ServerError {
  readonly type: "error";
  readonly code: string;
  readonly detail: string;
}

export type ServerMessage = Snapshot | Answer | ServerError;

export interface Hello {
  readonly type: "hello";
  readonly ticket: string;
}

export interface Offer {
  readonly type: "offer";
  readonly sdp: string;
  readonly key_epoch: number;
}

export interface StateMessage extends Sending {
  readonly type: "state";
}

export interface Leave {
  readonly type: "leave";
}

export type ClientMessage = Hello | Offer | StateMessage | Leave;

export interface ChatOut {
  readonly id: string;
  readonly text: string;
}

export interface ChatIn extends ChatOut {
  readonly from: string;
}

/** Why a message was rejected; for the console only, never shown to a person. */
export class ProtocolError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "ProtocolError";
  }
}

type Json = Readonly<Record<string, unknown>>;

function object(value: unknown, where: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${where} is not an object`);
  }
  return value as Json;
}

function string(from: Json, member: string): string {
  const value = from[member];
  if (typeof value !== "string") throw new ProtocolError(`${member} is not a string`);
  return value;
}

function nullableString(from: Json, member: string): string | null {
  return from[member] === null ? null : string(from, member);
}

function boolean(from: Json, member: string): boolean {
  const value = from[member];
  if (typeof value !== "boolean") throw new ProtocolError(`${member} is not a boolean`);
  return value;
}

function integer(from: Json, member: string, least: number, most: number): number {
  const value = from[member];
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw new ProtocolError(`${member} is not an integer from ${least} to ${most}`);
  }
  return value;
}

function oneOf<T extends string>(from: Json, member: string, allowed: readonly T[]): T {
  const value = string(from, member);
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new ProtocolError(`${member} has the unknown value ${value}`);
  return found;
}

function list<T>(from: Json, member: string, read: (item: Json) => T): T[] {
  const value = from[member];
  if (!Array.isArray(value)) throw new ProtocolError(`${member} is not a list`);
  return value.map((item) => read(object(item, member)));
}

/** A list that is left out when it is empty. */
function optionalList<T>(from: Json, member: string, read: (item: Json) => T): T[] {
  return from[member] === undefined ? [] : list(from, member, read);
}

function strings<T extends string>(from: Json, member: string, allowed: readonly T[]): T[] {
  const value = from[member];
  if (!Array.isArray(value)) throw new ProtocolError(`${member} is not a list`);
  return value.map((item) => oneOf({ [member]: item as unknown }, member, allowed));
}

function sending(from: Json): Sending {
  return {
    microphone: boolean(from, "microphone"),
    camera: boolean(from, "camera"),
    screen: boolean(from, "screen"),
  };
}

function participant(from: Json): Participant {
  return {
    id: string(from, "id"),
    name: string(from, "name"),
    role: oneOf(from, "role", ROLES),
    place: oneOf(from, "place", PLACES),
    presence: oneOf(from, "presence", PRESENCES),
    ...sending(from),
  };
}

function recording(from: Json): RecordingStatus {
  return {
    id: string(from, "id"),
    state: oneOf(from, "state", RECORDING_STATES),
    requested_by: string(from, "requested_by"),
    started_at: nullableString(from, "started_at"),
    text: string(from, "text"),
    version: string(from, "version"),
    text_changed: boolean(from, "text_changed"),
    kinds: strings(from, "kinds", KINDS),
    decisions: list(from, "decisions", (item) => ({
      participant: string(item, "participant"),
      decision: oneOf(item, "decision", DECISIONS),
      audio: boolean(item, "audio"),
      video: boolean(item, "video"),
    })),
  };
}

function snapshot(from: Json): Snapshot {
  const consultation = object(from["consultation"], "consultation");
  const self = object(from["self"], "self");
  const last = from["last_recording"];
  return {
    type: "snapshot",
    consultation: { id: string(consultation, "id"), status: oneOf(consultation, "status", STATUSES) },
    self: {
      id: string(self, "id"),
      role: oneOf(self, "role", ROLES),
      place: oneOf(self, "place", PLACES),
      may_admit: boolean(self, "may_admit"),
      may_record: boolean(self, "may_record"),
      may_end: boolean(self, "may_end"),
    },
    participants: list(from, "participants", participant),
    slots: list(from, "slots", (item) => ({
      slot: integer(item, "slot", 0, SLOT_COUNT - 1),
      participant: string(item, "participant"),
    })),
    recording: from["recording"] === null ? null : recording(object(from["recording"], "recording")),
    last_recording: last === undefined || last === null ? null : lastRecording(object(last, "last_recording")),
    wanted: optionalList(from, "wanted", (item) => ({ text: string(item, "text"), version: string(item, "version") })),
    declined: optionalList(from, "declined", (item) => ({
      id: string(item, "id"),
      name: string(item, "name"),
      role: oneOf(item, "role", ROLES),
      withdrawn: boolean(item, "withdrawn"),
    })),
  };
}

function lastRecording(from: Json): LastRecording {
  return { id: string(from, "id"), outcome: oneOf(from, "outcome", OUTCOMES), by: nullableString(from, "by"), kept: kept(from) };
}

function kept(from: Json): Disposition | null {
  return from["kept"] === undefined || from["kept"] === null ? null : oneOf(from, "kept", DISPOSITIONS);
}

const LARGEST_EPOCH = 0xffff_ffff;

function parseObject(text: string, most: number): Json {
  if (byteLength(text) > most) throw new ProtocolError(`longer than ${most} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("not JSON");
  }
  return object(value, "message");
}

/** Length of `text` as UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

/** Reads one text frame of the server. Throws {@link ProtocolError}. */
export function parseServerMessage(text: string): ServerMessage {
  const from = parseObject(text, MAX_MESSAGE_BYTES);
  const type = string(from, "type");
  switch (type) {
    case "snapshot":
      return snapshot(from);
    case "answer":
      return { type, sdp: string(from, "sdp"), key_epoch: integer(from, "key_epoch", 0, LARGEST_EPOCH) };
    case "error":
      return { type, code: string(from, "code"), detail: string(from, "detail") };
    default:
      throw new ProtocolError(`unknown type ${type}`);
  }
}

/** Reads one text frame of a browser: for tests and for stand-in servers. Throws {@link ProtocolError}. */
export function parseClientMessage(text: string): ClientMessage {
  const from = parseObject(text, MAX_MESSAGE_BYTES);
  const type = string(from, "type");
  switch (type) {
    case "hello":
      return { type, ticket: string(from, "ticket") };
    case "offer":
      return { type, sdp: string(from, "sdp"), key_epoch: integer(from, "key_epoch", 0, LARGEST_EPOCH) };
    case "state":
      return { type, ...sending(from) };
    case "leave":
      return { type };
    default:
      throw new ProtocolError(`unknown type ${type}`);
  }
}

/** Reads one frame of the data channel `chat`. Throws {@link ProtocolError}. */
export function parseChat(text: string): ChatIn {
  const from = parseObject(text, MAX_CHAT_BYTES);
  return { id: string(from, "id"), from: string(from, "from"), text: string(from, "text") };
}

/** The frame for a chat text, or null when the text is empty or too long to be accepted. */
export function encodeChat(chat: ChatOut): string | null {
  const length = [...chat.text].length;
  if (length < 1 || length > MAX_CHAT_TEXT) return null;
  const frame = JSON.stringify({ id: chat.id, text: chat.text });
  return byteLength(frame) > MAX_CHAT_BYTES ? null : frame;
}
