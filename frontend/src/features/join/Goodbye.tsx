// How it ended, in words that fit, and the way back where there is one.
import type { JSX } from "preact";
import type { Me } from "../../api/types";
import { t, type Key } from "../../messages";
import { Button, Icon, Page } from "../../ui";
import { testId } from "../call/testId";
import { ReceiptLink } from "../consent/ReceiptLink";
import { mayReturn, type Farewell } from "./journey";

const WORDS: Record<Farewell, { title: Key; text: Key }> = {
  left: { title: "join.bye.left.title", text: "join.bye.left.text" },
  left_lobby: { title: "join.bye.left_lobby.title", text: "join.bye.left_lobby.text" },
  consultation_ended: { title: "join.bye.ended.title", text: "join.bye.ended.text" },
  consultation_cancelled: { title: "join.bye.cancelled.title", text: "join.bye.cancelled.text" },
  turned_away: { title: "join.bye.turned_away.title", text: "join.bye.turned_away.text" },
  removed: { title: "join.bye.removed.title", text: "join.bye.removed.text" },
  replaced: { title: "join.bye.replaced.title", text: "join.bye.replaced.text" },
  refused: { title: "join.bye.refused.title", text: "join.bye.refused.text" },
  fault: { title: "join.bye.fault.title", text: "join.bye.fault.text" },
};

export interface GoodbyeProps {
  me: Me;
  farewell: Farewell;
  onReturn: () => void;
}

export function Goodbye({ me, farewell, onReturn }: GoodbyeProps): JSX.Element {
  const words = WORDS[farewell];
  return (
    <Page title={t(words.title)} intro={t(words.text, { name: me.practitioner_name })} width="narrow">
      <div class="stack" data-testid="goodbye" data-ending={farewell}>
        <p class="bye__devices">
          <Icon name="camera-off" />
          <span>
            {t("join.bye.camera_off")} {!mayReturn(farewell) && t("join.bye.close")}
          </span>
        </p>
        {farewell !== "refused" && farewell !== "removed" && farewell !== "turned_away" && <ReceiptLink consultationId={me.consultation_id} heading="h2" />}
        {mayReturn(farewell) && (
          <div class="row">
            <Button variant="primary" size="large" buttonRef={testId("rejoin")} onClick={onReturn}>
              {farewell === "replaced" ? t("join.bye.use_here") : t("join.bye.rejoin")}
            </Button>
          </div>
        )}
      </div>
    </Page>
  );
}
