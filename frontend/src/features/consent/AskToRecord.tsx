// The clinician asks to record: sound and picture, or sound alone. Everyone is then asked; nothing is recorded before all have answered.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { problemMessage, type Problem } from "../../api/problem";
import { t } from "../../messages";
import { Button, Dialog, Notice } from "../../ui";
import { testId } from "../call/testId";
import { ConsentReading } from "./ConsentDialog";

/** The consent texts a recording can be asked for with. */
export const RECORDING_TEXTS = { both: "recording-audio-video", sound: "recording-audio" } as const;

export interface AskToRecordProps {
  busy: boolean;
  problem: Problem | null;
  onAsk: (text: string) => void;
  onClose: () => void;
}

export function AskToRecord({ busy, problem, onAsk, onClose }: AskToRecordProps): JSX.Element {
  const [reading, setReading] = useState<string | null>(null);
  if (reading !== null) {
    return <ConsentReading text={reading} version={null} title={t("call.record.explain")} onClose={() => setReading(null)} />;
  }
  return (
    <Dialog
      title={t("call.record.title")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button busy={busy} buttonRef={testId("ask-sound")} onClick={() => onAsk(RECORDING_TEXTS.sound)}>
            {t("call.record.sound")}
          </Button>
          <Button variant="primary" busy={busy} buttonRef={testId("ask-both")} onClick={() => onAsk(RECORDING_TEXTS.both)}>
            {t("call.record.both")}
          </Button>
        </>
      }
    >
      <div class="stack" data-testid="ask-to-record">
        <p>{t("call.record.text")}</p>
        <p>
          <Button variant="quiet" icon="document" buttonRef={testId("explain")} onClick={() => setReading(RECORDING_TEXTS.both)}>
            {t("call.record.explain")}
          </Button>
        </p>
        {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      </div>
    </Dialog>
  );
}
