// Makes the signed statement of a decision: what was on the screen, what was answered, for whom.
// Invariants: the private key is made here, cannot be exported, and never leaves this browser; what is hashed is what is shown.
import { api } from "../../api/client";
import type { ConsentText, Purpose, Recorded, SignedDecision } from "../../api/types";

export type Capacity = "self" | "parent_or_guardian" | "legal_representative";

export interface Representative {
  readonly name: string;
  readonly relationship: string;
}

/** Everything about a decision but the words. */
export interface Answer {
  readonly consultation: string;
  readonly participant: string;
  readonly person: string;
  readonly recording: string | null;
  readonly decision: "permit" | "deny" | "withdrawn";
  readonly permitted: readonly Purpose[];
  readonly denied: readonly Purpose[];
  readonly capacity: Capacity;
  readonly representative: Representative | null;
}

/** The words as far as a statement names them. */
export type Words = Pick<ConsentText, "text" | "version" | "language" | "digest"> & { readonly shown: string };

/** The browser has no way to sign: an old one, or a page that did not come over a secure connection. */
export class CannotSign extends Error {}

interface OwnKey {
  readonly algorithm: "Ed25519" | "ES256";
  readonly pair: CryptoKeyPair;
}

const DATABASE = "bedside";
const KEYS = "keys";
const SLOT = "consent";

function request<T>(made: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    made.onsuccess = () => resolve(made.result);
    made.onerror = () => reject(made.error ?? new Error("storage"));
  });
}

async function open(): Promise<IDBDatabase> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(KEYS);
  return request(opening);
}

async function make(): Promise<OwnKey> {
  try {
    const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    return { algorithm: "Ed25519", pair: pair as CryptoKeyPair };
  } catch {
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    return { algorithm: "ES256", pair };
  }
}

let inMemory: Promise<OwnKey> | null = null;

/** The key of this browser: made once, kept where pages can use it and nobody can read it. */
async function load(): Promise<OwnKey> {
  let database: IDBDatabase | null = null;
  try {
    database = await open();
    const kept: unknown = await request(database.transaction(KEYS).objectStore(KEYS).get(SLOT));
    if (kept !== undefined) return kept as OwnKey;
  } catch {
    // no storage (a private window, say): the key lasts as long as the page
  }
  const made = await make();
  try {
    if (database) await request(database.transaction(KEYS, "readwrite").objectStore(KEYS).put(made, SLOT));
  } catch {
    // as above
  }
  return made;
}

function ownKey(): Promise<OwnKey> {
  if (typeof crypto === "undefined" || crypto.subtle === undefined) return Promise.reject(new CannotSign());
  inMemory ??= load().catch((error: unknown) => {
    inMemory = null;
    throw error instanceof CannotSign ? error : new CannotSign();
  });
  return inMemory;
}

function base64url(bytes: ArrayBuffer): string {
  const text = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function hex(bytes: ArrayBuffer): string {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 of a text as UTF-8, in hex. */
export async function sha256(text: string): Promise<string> {
  return hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** What a statement says of the words that are on the screen. */
export async function wordsOf(text: ConsentText): Promise<Words> {
  if (typeof crypto === "undefined" || crypto.subtle === undefined) throw new CannotSign();
  const { text: name, version, language, digest } = text;
  return { text: name, version, language, digest, shown: await sha256(`${text.title}\n\n${text.body}`) };
}

/** Composes the statement and signs its bytes. */
export async function sign(words: Words, answer: Answer): Promise<SignedDecision> {
  const { algorithm, pair } = await ownKey();
  const statement = JSON.stringify({
    kind: "bedside-consent-decision/1",
    id: crypto.randomUUID(),
    ...answer,
    ...words,
    at: new Date().toISOString(),
  });
  const bytes = new TextEncoder().encode(statement);
  const scheme = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(scheme, pair.privateKey, bytes);
  const publicKey = await crypto.subtle.exportKey("raw", pair.publicKey);
  return { statement, algorithm, public_key: base64url(publicKey), signature: base64url(signature) };
}

/** For whom this person decides in the call: as they said before the waiting room, where somebody was asked. */
export async function capacityIn(consultation: string): Promise<Pick<Answer, "capacity" | "representative">> {
  const own = await api.ownConsents(consultation);
  const said = own.filter((one) => one.recording_id === null && one.decision === "permit").at(-1);
  if (said === undefined || said.representative_name === null) return { capacity: "self", representative: null };
  const representative = { name: said.representative_name, relationship: said.representative_relationship ?? "" };
  return { capacity: said.capacity, representative };
}

const GIVEN = "bedside.consent-words.";

function slot(consultation: string, about: string): string {
  return `${GIVEN}${consultation}.${about}`;
}

/** Decides, and keeps what the words were, so that a withdrawal can be signed without reading them again. */
export async function decide(text: ConsentText, answer: Answer): Promise<Recorded> {
  const words = await wordsOf(text);
  const recorded = await api.decideConsent(answer.consultation, await sign(words, answer));
  try {
    const kept = JSON.stringify({ words, answer });
    sessionStorage.setItem(slot(answer.consultation, answer.recording ?? text.text), kept);
  } catch {
    // a withdrawal then goes without a signature
  }
  return recorded;
}

/** Withdraws at once: signed if this browser can, and in any case. */
export async function withdraw(consultation: string, about: { recording: string } | { text: string }): Promise<Recorded> {
  const name = "recording" in about ? about.recording : about.text;
  try {
    const kept = sessionStorage.getItem(slot(consultation, name));
    if (kept !== null) {
      const { words, answer } = JSON.parse(kept) as { words: Words; answer: Answer };
      const denied = [...answer.permitted, ...answer.denied];
      const signed = await sign(words, { ...answer, decision: "withdrawn", permitted: [], denied });
      return await api.decideConsent(consultation, signed);
    }
  } catch {
    // what follows does not depend on it
  }
  return api.withdrawConsent(consultation, about);
}
