// One receipt to be read: every fact of the decision, the words that were shown, and how anyone can check it.
import { Fragment } from "preact";
import type { JSX } from "preact";
import type { ReceiptPage } from "../../api/types";
import { Dialog } from "../../ui";
import { Body } from "./ConsentText";
import { direction } from "./words";

export function Receipt({ page, onClose }: { page: ReceiptPage; onClose: () => void }): JSX.Element {
  return (
    <div dir={direction(page.language)} lang={page.language}>
      <Dialog title={page.title} wide onClose={onClose}>
        <div class="stack" data-testid="receipt">
          <dl class="facts">
            {page.facts.map(({ label, value }) => (
              <Fragment key={label}>
                <dt>{label}</dt>
                <dd dir="auto">{value}</dd>
              </Fragment>
            ))}
          </dl>
          <Body body={page.text} heading="h3" />
        </div>
      </Dialog>
    </div>
  );
}
