/** Stand-ins for time in the tests of this folder. Nothing here is part of the pages. */

import type { Timers } from "./signaling";

export interface FakeTimers extends Timers {
  /** Runs everything that is due within so many milliseconds, in order. */
  advance(milliseconds: number): void;
  pending(): number;
}

export function fakeTimers(): FakeTimers {
  let now = 0;
  let next = 1;
  const due = new Map<number, { at: number; callback: () => void }>();
  return {
    set(callback, milliseconds) {
      const id = next;
      next += 1;
      due.set(id, { at: now + milliseconds, callback });
      return id;
    },
    clear(timer) {
      due.delete(timer);
    },
    advance(milliseconds) {
      const until = now + milliseconds;
      for (;;) {
        const [first] = [...due.entries()].filter(([, entry]) => entry.at <= until).sort((a, b) => a[1].at - b[1].at);
        if (first === undefined) break;
        due.delete(first[0]);
        now = first[1].at;
        first[1].callback();
      }
      now = until;
    },
    pending: () => due.size,
  };
}

/** Lets promises that are already resolved carry on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
