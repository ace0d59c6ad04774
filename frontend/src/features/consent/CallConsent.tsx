// The question that waits for this person's answer, in the waiting room as in the call.
import type { JSX } from "preact";
import type { ConsentText, Purpose } from "../../api/types";
import { aboutText } from "../../call/model";
import type { CallSession } from "../../call/session";
import { consentPrompt, myName } from "../../call/view";
import { useCallState } from "../call/hooks";
import { ConsentDialog } from "./ConsentDialog";
import { capacityIn, decide as decideConsent } from "./signing";

export interface CallConsentProps {
  session: CallSession;
  consultationId: string;
  /** Staff decide for themselves alone. */
  staff: boolean;
}

export function CallConsent({ session, consultationId, staff }: CallConsentProps): JSX.Element | null {
  const prompt = consentPrompt(useCallState(session));
  if (prompt === null) return null;
  const decide = async (permitted: readonly Purpose[], text: ConsentText): Promise<void> => {
    const self = session.state.snapshot?.self;
    if (self === undefined) return;
    const { recording } = prompt;
    try {
      await decideConsent(text, {
        consultation: consultationId,
        participant: self.id,
        person: myName(session.state),
        recording,
        decision: permitted.length > 0 ? "permit" : "deny",
        permitted,
        denied: text.purposes.filter((purpose) => !permitted.includes(purpose)),
        ...(staff ? { capacity: "self" as const, representative: null } : await capacityIn(consultationId)),
      });
      session.dispatch({ type: "deciding", about: recording ?? aboutText(prompt.text) });
    } catch (error) {
      // Somebody else's answer may have ended the request meanwhile: then the next snapshot takes the question away.
      if (recording !== null && session.state.snapshot?.recording?.id !== recording) return;
      throw error;
    }
  };
  return <ConsentDialog key={`${prompt.recording ?? prompt.text}/${prompt.version}`} prompt={prompt} onDecide={decide} />;
}
