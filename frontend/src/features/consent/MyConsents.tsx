// What this person has decided in this consultation, and one press to withdraw each of it. Always in reach during a call.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import type { Consent, Recorded } from "../../api/types";
import { t } from "../../messages";
import { formatMoment } from "../../messages/dates";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Loaded, Notice } from "../../ui";
import { Ask } from "../call/Ask";
import { testId } from "../call/testId";
import { ReceiptLink } from "./ReceiptLink";
import { withdraw } from "./signing";

export interface MyConsentsProps {
  consultationId: string;
  /** Changes whenever something was decided or withdrawn in the call. */
  round: string;
  onWithdrawn: (consent: Consent, recorded: Recorded) => void;
}

/** What a decision is about, as its purposes say it. */
function subject(consent: Consent): string {
  return [...consent.permitted, ...consent.denied].map((purpose) => t(`purpose.${purpose}`)).join(", ");
}

export function MyConsents({ consultationId, round, onWithdrawn }: MyConsentsProps): JSX.Element {
  const own = useResource((signal) => api.ownConsents(consultationId, signal), [consultationId, round]);
  const [asked, setAsked] = useState<Consent | null>(null);
  const go = useAction(async (consent: Consent) => {
    const about = consent.recording_id === null ? { text: consent.text } : { recording: consent.recording_id };
    const recorded = await withdraw(consultationId, about);
    setAsked(null);
    own.reload();
    onWithdrawn(consent, recorded);
  });
  return (
    <div class="stack" data-testid="my-consents">
      <p class="small soft">{t("consent.mine.text")}</p>
      {go.problem && asked === null && <Notice kind="danger">{problemMessage(go.problem)}</Notice>}
      <Loaded of={own}>
        {(all) => {
          const standing = all.filter((one) => one.stands);
          if (standing.length === 0) return <p>{t("consent.mine.none")}</p>;
          return (
            <ul class="consents">
              {standing.map((one, index) => (
                <li key={one.id} class="stack stack--tight consents__one" data-testid={`my-consent-${index}`} data-text={one.text}>
                  <div class="row row--spread">
                    <strong>{subject(one)}</strong>
                    <Badge kind={one.decision === "permit" ? "success" : "neutral"}>{t(`consent.decided.${one.decision}`)}</Badge>
                  </div>
                  <span class="small soft">{formatMoment(one.decided_at)}</span>
                  {one.decision === "permit" && (
                    <div class="row">
                      <Button
                        variant="danger-quiet"
                        buttonRef={testId(`withdraw-${one.text}`)}
                        onClick={() => {
                          // a recording stops at once; leaving the call is worth a question
                          if (one.recording_id === null) setAsked(one);
                          else void go.run(one);
                        }}
                      >
                        {t("consent.withdraw")}
                      </Button>
                    </div>
                  )}
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <ReceiptLink consultationId={consultationId} heading="h3" />
      {asked && (
        <Ask
          id="withdraw-question"
          title={t("consent.withdraw.title")}
          text={t(asked.text === "care-by-video" ? "consent.withdraw.care" : "consent.withdraw.text")}
          yes={t("consent.withdraw")}
          busy={go.busy}
          problem={go.problem}
          onYes={() => void go.run(asked)}
          onClose={() => setAsked(null)}
        />
      )}
    </div>
  );
}
