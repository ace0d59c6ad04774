// Every browser is a witness: it keeps the last checkpoint of the log that it saw, and asks at its next visit to be shown that the log has
// only grown since. What contradicts it is told to the person and reported. Checkpoints say nothing but a size and a hash.
import { checkSignature, readCheckpoint } from "./checkpoint";
import { isConsistent, unhex } from "./tree";

/** What the server answers. */
export interface Growth {
  from: number;
  consistency_proof: string[];
  checkpoint: string;
  verifier_key: string;
}

/** What a browser keeps. */
export interface Seen {
  readonly checkpoint: string;
  readonly verifierKey: string;
}

export type Contradiction = "another_key" | "shorter" | "not_grown" | "bad_signature";

export type Verdict = { readonly keep: Seen } | { readonly contradiction: Contradiction } | { readonly nothing: true };

/** What a server shows and nobody can read proves nothing. */
function legible<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Judges what the server shows against what was seen before. `shown` is null where the server has no log of that size. */
export async function judge(seen: Seen | null, shown: Growth | null): Promise<Verdict> {
  if (!shown) return seen ? { contradiction: "shorter" } : { nothing: true };
  const keep: Seen = { checkpoint: shown.checkpoint, verifierKey: shown.verifier_key };
  if (seen && seen.verifierKey !== shown.verifier_key) return { contradiction: "another_key" };
  if ((await checkSignature(shown.checkpoint, shown.verifier_key)) === "bad") return { contradiction: "bad_signature" };
  const now = legible(() => readCheckpoint(shown.checkpoint, shown.verifier_key));
  if (!now) return { contradiction: "bad_signature" };
  if (!seen) return { keep };
  const before = readCheckpoint(seen.checkpoint, seen.verifierKey);
  if (now.size < before.size) return { contradiction: "shorter" };
  const proof = legible(() => shown.consistency_proof.map(unhex));
  const grown = proof !== null && (await isConsistent(before.size, before.root, now.size, now.root, proof));
  return grown ? { keep } : { contradiction: "not_grown" };
}

const SLOT = "bedside.witness";

export function recall(): Seen | null {
  try {
    const kept = JSON.parse(localStorage.getItem(SLOT) ?? "null") as Partial<Seen> | null;
    return kept && typeof kept.checkpoint === "string" && typeof kept.verifierKey === "string"
      ? { checkpoint: kept.checkpoint, verifierKey: kept.verifierKey }
      : null;
  } catch {
    return null; // no storage, or not ours
  }
}

export function remember(seen: Seen): void {
  try {
    localStorage.setItem(SLOT, JSON.stringify(seen));
  } catch {
    // a private window: it is a witness for as long as it is open
  }
}
