// How many emergency accesses nobody has seen yet, for the menu of those who answer for them.
import { signal } from "@preact/signals";
import { api } from "../api/client";

export const unseenEmergencies = signal(0);

/** Asks the server now; an answer that does not come changes nothing. */
export async function lookForEmergencies(): Promise<void> {
  const count = await api.unseenEmergencies().catch(() => null);
  if (count !== null) unseenEmergencies.value = count;
}
