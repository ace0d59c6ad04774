// Checks one entry against a signed checkpoint: that it is in the log as it is shown, and that its personal values are the ones written down.
import { readCheckpoint } from "./checkpoint";
import { readDisclosure } from "./disclosures";
import { leafHash, rootOfInclusion, same, unhex, type Hash } from "./tree";

/** An entry with what proves it. */
export interface Proved {
  readonly index: number;
  /** The leaf, byte for byte. */
  readonly body: string;
  readonly inclusion_proof: readonly string[];
  readonly disclosures: readonly string[];
}

export interface Checked {
  readonly included: boolean;
  /** Name and value of what was disclosed and fits. */
  readonly values: readonly [string, string][];
  /** Whether something was disclosed that does not fit. */
  readonly altered: boolean;
}

/** Whether a leaf is in the log, whatever it is the hash of. */
export async function isIncluded(
  leaf: Hash,
  { index, inclusion_proof }: Pick<Proved, "index" | "inclusion_proof">,
  checkpoint: string,
  verifierKey: string,
): Promise<boolean> {
  const { size, root } = readCheckpoint(checkpoint, verifierKey);
  const led = await rootOfInclusion(index, size, leaf, inclusion_proof.map(unhex));
  return led !== null && same(led, root);
}

export async function checkProved(proved: Proved, checkpoint: string, verifierKey: string): Promise<Checked> {
  try {
    const included = await isIncluded(await leafHash(proved.body), proved, checkpoint, verifierKey);
    const entry = JSON.parse(proved.body) as { personal?: Record<string, string> };
    const read = await Promise.all(proved.disclosures.map((disclosure) => readDisclosure(entry, disclosure)));
    return {
      included,
      values: read.filter((value) => value !== null),
      altered: read.some((value) => value === null),
    };
  } catch {
    // what cannot be read proves nothing
    return { included: false, values: [], altered: proved.disclosures.length > 0 };
  }
}
