// Who decided what about the recording, live; the clinician can explain the text and ask again whoever declined.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, problemMessage } from "../../api/problem";
import type { CallState } from "../../call/model";
import { mayRecord, standings } from "../../call/view";
import { t } from "../../messages";
import { useAction } from "../../state/resource";
import { Badge, Button, toast } from "../../ui";
import { testId } from "../call/testId";
import { ConsentReading } from "./ConsentDialog";

const KINDS = { pending: "neutral", deny: "danger", audio: "success", video: "success", both: "success" } as const;

export function Standings({ state }: { state: CallState }): JSX.Element | null {
  const recording = state.snapshot?.recording ?? null;
  const [reading, setReading] = useState(false);
  const ask = useAction(async (participant: string) => {
    if (recording === null) return;
    try {
      await api.askAgain(recording.id, participant);
    } catch (error) {
      toast(problemMessage(asProblem(error)));
    }
  });
  if (recording === null) return null;
  return (
    <section class="stack stack--tight" aria-label={t("call.standing.title")} data-testid="standings">
      <h3>{t("call.standing.title")}</h3>
      <ul class="standings">
        {standings(state).map((one, index) => (
          <li key={one.participant} class="standing" data-testid={`standing-${index}`} data-stand={one.stand}>
            <span class="person__name">{one.mine ? t("call.you_named", { name: one.name }) : one.name}</span>
            <Badge kind={KINDS[one.stand]}>{t(`call.standing.${one.stand}`)}</Badge>
            {mayRecord(state) && one.stand === "deny" && !one.mine && (
              <Button variant="quiet" busy={ask.busy} buttonRef={testId(`ask-again-${index}`)} onClick={() => void ask.run(one.participant)}>
                {t("call.standing.ask_again")}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {mayRecord(state) && (
        <div class="row">
          <Button variant="quiet" icon="document" buttonRef={testId("standing-explain")} onClick={() => setReading(true)}>
            {t("call.record.explain")}
          </Button>
        </div>
      )}
      {reading && (
        <ConsentReading text={recording.text} version={recording.version} title={t("call.record.explain")} onClose={() => setReading(false)} />
      )}
    </section>
  );
}
