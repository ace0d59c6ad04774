// Bears witness once a page load: shows the server what was seen, judges what it shows, and reports what contradicts it.
import { signal } from "@preact/signals";
import { api } from "../api/client";
import { Problem } from "../api/problem";
import { readCheckpoint } from "../log/checkpoint";
import { judge, recall, remember, type Contradiction, type Growth } from "../log/witness";

/** What contradicts the log this browser saw before, if anything does. */
export const contradiction = signal<Contradiction | null>(null);

async function shown(from: number | null): Promise<Growth | null> {
  try {
    return await api.auditGrowth(from);
  } catch (error) {
    if (error instanceof Problem && error.code === "NOT_FOUND") return null;
    throw error;
  }
}

/** The person was told why: what is shown now is what is kept from here on. */
export async function startOver(): Promise<void> {
  const verdict = await judge(null, await shown(null));
  if (!("keep" in verdict)) return;
  remember(verdict.keep);
  contradiction.value = null;
}

export async function bearWitness(): Promise<void> {
  const seen = recall();
  try {
    const size = seen ? readCheckpoint(seen.checkpoint, seen.verifierKey).size : null;
    const verdict = await judge(seen, await shown(size));
    if ("keep" in verdict) remember(verdict.keep);
    if ("contradiction" in verdict) {
      contradiction.value = verdict.contradiction;
      // what was seen is kept: it is the evidence
      await api.reportContradiction(verdict.contradiction, seen?.checkpoint ?? "");
    }
  } catch {
    // no network, or a log that cannot be read just now: the next visit asks again
  }
}
