// Signed checkpoints of the log (C2SP signed-note and tlog-checkpoint): what they say, and whether the log's key signed them.
import type { Hash } from "./tree";

export interface Checkpoint {
  readonly size: number;
  readonly root: Hash;
}

/** `good`, `bad`, or `unknown` where this browser cannot check Ed25519 signatures. */
export type Signature = "good" | "bad" | "unknown";

function fromBase64(text: string): Hash {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** The public key in a verifier key: `name+id+base64(0x01 ‖ key)`. */
export function publicKey(verifierKey: string): Hash {
  const bytes = fromBase64(verifierKey.split("+").slice(2).join("+"));
  if (bytes[0] !== 1 || bytes.length !== 33) throw new Error("not an Ed25519 key");
  return bytes.slice(1);
}

/** The fingerprint that a clinic publishes: SHA-256 of the public key, in groups of four. Throws for a key whose id is not its own. */
export async function fingerprint(verifierKey: string): Promise<string> {
  const key = publicKey(verifierKey);
  const [name, id] = verifierKey.split("+");
  const hex = async (bytes: Hash): Promise<string> =>
    Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const named = new Uint8Array([...new TextEncoder().encode(`${name}\n`), 1, ...key]);
  if ((await hex(named)).slice(0, 8) !== id) throw new Error("the key's id is not its own");
  return ((await hex(key)).match(/.{4}/g) ?? []).join(" ");
}

/** What a note says; throws for one that is no checkpoint of the key's log. */
export function readCheckpoint(note: string, verifierKey: string): Checkpoint {
  const [origin, size, root] = (note.split("\n\n")[0] ?? "").split("\n");
  if (origin !== verifierKey.split("+")[0] || !size || !/^(0|[1-9][0-9]*)$/.test(size) || !root) throw new Error("not a checkpoint of this log");
  const hash = fromBase64(root);
  if (hash.length !== 32 || !Number.isSafeInteger(Number(size))) throw new Error("not a checkpoint");
  return { size: Number(size), root: hash };
}

export async function checkSignature(note: string, verifierKey: string): Promise<Signature> {
  const end = note.indexOf("\n\n");
  if (end < 0) return "bad";
  const text = new TextEncoder().encode(note.slice(0, end + 1));
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("raw", publicKey(verifierKey), { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return "unknown";
  }
  const name = verifierKey.split("+")[0] ?? "";
  for (const line of note.slice(end + 2).split("\n")) {
    if (!line.startsWith(`\u2014 ${name} `)) continue;
    let signature: Hash;
    try {
      signature = fromBase64(line.slice(name.length + 3)).slice(4);
    } catch {
      return "bad";
    }
    if (await crypto.subtle.verify({ name: "Ed25519" }, key, signature, text)) return "good";
  }
  return "bad";
}
