// Proving again who one is: a dangerous act that the server refuses with REAUTHENTICATE is asked for once more after the proof.
// Invariant: an act is repeated at most once, and only after the person has proved it.
import { signal } from "@preact/signals";
import { asProblem } from "../api/problem";

/** Set while the dialog is open: called with whether they proved it. */
export const proofAsked = signal<((proved: boolean) => void) | null>(null);

function askForProof(): Promise<boolean> {
  return new Promise((resolve) => {
    proofAsked.value = (proved) => {
      proofAsked.value = null;
      resolve(proved);
    };
  });
}

/** Does something; if the server wants a fresh proof first, asks the person for it and does it again. */
export async function withProof<R>(act: () => Promise<R>): Promise<R> {
  try {
    return await act();
  } catch (error) {
    const problem = asProblem(error);
    if (problem.code !== "REAUTHENTICATE" || !(await askForProof())) throw problem;
    return act();
  }
}
