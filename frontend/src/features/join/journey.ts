// Where on the patient's way somebody is. Pure: what the server says about an invitation and a participant becomes a step.
// Invariant: every answer of the server leads to a step that says what to do; there is no way into nothing.
import type { Problem } from "../../api/problem";
import type { ConsentText, ConsultationStatus, InvitationPreview, Me, Place, WantedConsent } from "../../api/types";
import type { Ending } from "../../call/model";

export type InvitationProblem =
  | "malformed"
  | "unknown"
  | "used"
  /** Redeemed in this browser, whose place was taken away since. */
  | "revoked"
  | "expired"
  | "cancelled"
  | "locked"
  | "ended"
  | "throttled"
  | "network"
  | "other";

/** How it ended for this person; `left_lobby` is leaving before anybody let them in. */
export type Farewell = Ending | "left_lobby";

export type Step =
  | { kind: "invitation"; preview: InvitationPreview }
  | { kind: "name"; me: Me }
  | { kind: "consent"; me: Me; wanted: ConsentText }
  | { kind: "declined"; me: Me; wanted: ConsentText; withdrawn: boolean }
  | { kind: "devices"; me: Me }
  | { kind: "live"; me: Me }
  | { kind: "goodbye"; me: Me; farewell: Farewell }
  | { kind: "problem"; problem: InvitationProblem; cause: Problem | null };

/** The secret of a link, from `location.hash`. Null when the link was cut off before or within the fragment's first character. */
export function secretOf(hash: string): string | null {
  const secret = hash.startsWith("#") ? hash.slice(1) : hash;
  return secret === "" ? null : secret;
}

export function problemStep(cause: Problem): Step {
  const problem = ((): InvitationProblem => {
    switch (cause.code) {
      case "INVITATION_UNKNOWN":
      case "NOT_FOUND":
        return "unknown";
      case "INVITATION_USED":
        return "used";
      case "INVITATION_EXPIRED":
        return "expired";
      case "INVITATION_CANCELLED":
        return "cancelled";
      case "INVITATION_LOCKED":
        return "locked";
      case "CONSULTATION_ENDED":
        return "ended";
      case "MALFORMED":
      case "VALIDATION":
        return "malformed";
      case "THROTTLED":
        return "throttled";
      case "NETWORK":
        return "network";
      default:
        return "other";
    }
  })();
  return { kind: "problem", problem, cause };
}

export const REVOKED: Step = { kind: "problem", problem: "revoked", cause: null };

/** Whether the server does not know this browser as a participant (any more), other than failing to answer. */
export function isRefusal(problem: Problem): boolean {
  return problem.status === 401 || problem.status === 403 || problem.status === 404;
}

/** Whether trying the very same thing again can help. */
export function worthRetrying(problem: InvitationProblem): boolean {
  return problem === "throttled" || problem === "network" || problem === "other";
}

const FAREWELLS: Partial<Record<Place, Farewell>> = {
  left: "left",
  turned_away: "turned_away",
  removed: "removed",
};

/** Whether somebody may be heard or seen: an observer only watches, and is asked for no camera and no microphone. */
export function publishes(me: Me): boolean {
  return me.capabilities.includes("publish_audio") || me.capabilities.includes("publish_video");
}

/** The step of somebody who has redeemed their link. `checked`: this tab has been through the device check. */
export function stepOf(me: Me, checked: boolean): Step {
  const farewell = FAREWELLS[me.place];
  if (farewell !== undefined) return { kind: "goodbye", me, farewell };
  if (me.name === null || me.name.trim() === "") return { kind: "name", me };
  if (me.place === "in_call" || (me.place === "lobby" && (checked || !publishes(me)))) return { kind: "live", me };
  return { kind: "devices", me };
}

/**
 * What is asked before the waiting room, if anything is still open: the first text nobody has answered, or the page that follows a no to
 * what is required. Null when the way is free.
 */
export function consentStep(me: Me, wanted: readonly WantedConsent[]): Step | null {
  const refused = wanted.find((one) => one.text.required && (one.decision === "deny" || one.decision === "withdrawn"));
  if (refused) return { kind: "declined", me, wanted: refused.text, withdrawn: refused.decision === "withdrawn" };
  const open = wanted.find((one) => one.decision === null);
  return open ? { kind: "consent", me, wanted: open.text } : null;
}

/** The step of somebody who has only opened the link. */
export function invitationStep(preview: InvitationPreview): Step {
  const over: Partial<Record<ConsultationStatus, InvitationProblem>> = { completed: "ended", cancelled: "cancelled" };
  const problem = over[preview.consultation_status];
  return problem === undefined ? { kind: "invitation", preview } : { kind: "problem", problem, cause: null };
}

/** Whether the page after the end offers the way back. */
export function mayReturn(farewell: Farewell): boolean {
  return farewell === "left" || farewell === "left_lobby" || farewell === "replaced" || farewell === "fault";
}
