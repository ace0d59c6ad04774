// Makes the private link to one's own receipts, and shows it once to be kept.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import { t } from "../../messages";
import { formatMoment } from "../../messages/dates";
import { useAction } from "../../state/resource";
import { Button, CopyField, Notice } from "../../ui";
import { testId } from "../call/testId";

export interface ReceiptLinkProps {
  consultationId: string;
  /** What its heading is on the page it stands on. */
  heading: "h2" | "h3";
}

export function ReceiptLink({ consultationId, heading: Heading }: ReceiptLinkProps): JSX.Element {
  const [made, setMade] = useState<{ link: string; expires_at: string } | null>(null);
  const make = useAction(async () => setMade(await api.receiptLink(consultationId)));
  return (
    <section class="stack stack--tight" data-testid="receipt-link" aria-label={t("consent.link.title")}>
      <Heading>{t("consent.link.title")}</Heading>
      <p class="small soft">{t("consent.link.text")}</p>
      {make.problem && <Notice kind="danger">{problemMessage(make.problem)}</Notice>}
      {made === null ? (
        <div class="row">
          <Button icon="document" busy={make.busy} buttonRef={testId("make-receipt-link")} onClick={() => void make.run()}>
            {t("consent.link.make")}
          </Button>
        </div>
      ) : (
        <>
          <CopyField label={t("consent.link.label")} value={made.link} />
          <p class="small">{t("consent.link.until", { when: formatMoment(made.expires_at) })}</p>
          <div class="row">
            <a class="button button--secondary" href={made.link} target="_blank" rel="noopener" data-testid="open-receipts">
              {t("consent.link.open")}
            </a>
          </div>
        </>
      )}
    </section>
  );
}
