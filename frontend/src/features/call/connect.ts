// Makes the call session of a page: what the HTTP API answers to a join ticket becomes what the session understands.
import { api } from "../../api/client";
import { asProblem } from "../../api/problem";
import type { LocalMedia } from "../../call/local-media";
import { CallSession, browserPorts } from "../../call/session";
import type { TicketOutcome } from "../../call/signaling";
import { config, loadConfig } from "../../state/config";

/** Asks for a join ticket. Only a refusal that can never become an admission is final. */
export async function askForTicket(consultationId: string): Promise<TicketOutcome> {
  try {
    const { ticket } = await api.joinTicket(consultationId);
    return { kind: "ticket", ticket };
  } catch (error) {
    const problem = asProblem(error);
    switch (problem.code) {
      case "CONSULTATION_ENDED":
        return { kind: "over", reason: "ended" };
      case "INVITATION_CANCELLED":
        return { kind: "over", reason: "cancelled" };
      case "UNAUTHENTICATED":
      case "SIGN_IN_EXPIRED":
      case "FORBIDDEN":
      case "SCOPE":
      case "ORIGIN":
      case "NOT_FOUND":
      case "CONFLICT":
      case "CONSENT_REQUIRED":
      case "INVITATION_UNKNOWN":
      case "INVITATION_EXPIRED":
        return { kind: "over", reason: "refused" };
      default:
        return { kind: "retry", afterMs: problem.retryAfter === null ? null : problem.retryAfter * 1000 };
    }
  }
}

/** A leave that is still on its way. Somebody who comes straight back must not be overtaken by it. */
let leaving: Promise<unknown> = Promise.resolve();

/** The session for one consultation, not yet started. Waits for the server's ICE servers, which a call may need. */
export async function makeSession(consultationId: string, media: LocalMedia): Promise<CallSession> {
  await leaving;
  if (config.peek() === null) await loadConfig();
  return new CallSession(
    browserPorts(
      () => askForTicket(consultationId),
      () => {
        leaving = api.leave(consultationId).catch(() => undefined);
      },
      config.peek()?.ice_servers ?? [],
    ),
    media,
  );
}
