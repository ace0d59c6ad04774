// Break-glass, where somebody opens a colleague's consultation: what it means, why it is needed, and a second question.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { EmergencyReason } from "../../api/types";
import { t } from "../../messages";
import { formatTime } from "../../messages/dates";
import "../../messages/identity";
import { withProof } from "../../state/proof";
import { useAction, useResource } from "../../state/resource";
import { Button, Card, Confirm, Notice, Select, TextArea, toast } from "../../ui";

const REASONS: readonly EmergencyReason[] = ["patient_in_danger", "clinician_unavailable", "public_health"];
const SHORTEST = 10;

export function TakeEmergency({ consultationId, onTaken }: { consultationId: string; onTaken: () => void }): JSX.Element {
  const [reason, setReason] = useState<EmergencyReason>("patient_in_danger");
  const [words, setWords] = useState("");
  const [tried, setTried] = useState(false);
  const [sure, setSure] = useState(false);
  const take = useAction(async () => {
    await withProof(() => api.takeEmergencyAccess(consultationId, reason, words.trim()));
    onTaken();
  });
  const short = words.trim().length < SHORTEST;
  return (
    <Card title={t("emergency.offer_title")}>
      <div class="stack">
        <p>{t("emergency.offer")}</p>
        <Select
          label={t("emergency.reason")}
          value={reason}
          onChange={setReason}
          options={REASONS.map((value) => ({ value, label: t(`emergency.reason.${value}`) }))}
        />
        <TextArea
          label={t("emergency.words")}
          hint={t("emergency.words_hint")}
          value={words}
          onInput={setWords}
          maxLength={500}
          error={tried && short ? t("field.required") : undefined}
        />
        <div class="row">
          <Button
            variant="danger"
            icon="shield-alert"
            onClick={() => {
              setTried(true);
              if (!short) setSure(true);
            }}
          >
            {t("emergency.take")}
          </Button>
        </div>
      </div>
      {sure && (
        <Confirm
          title={t("emergency.sure_title")}
          confirmLabel={t("emergency.sure_submit")}
          danger
          busy={take.busy}
          problem={take.problem}
          onConfirm={() => void take.run()}
          onClose={() => {
            take.clear();
            setSure(false);
          }}
        >
          <p>{t("emergency.sure")}</p>
        </Confirm>
      )}
    </Card>
  );
}

/** Says that one is here by emergency access, and gives it back. */
export function HeldEmergency({ consultationId, onGivenBack }: { consultationId: string; onGivenBack: () => void }): JSX.Element | null {
  const held = useResource((signal) => api.ownEmergency(consultationId, signal), [consultationId]);
  const give = useAction(async () => {
    await api.endEmergencyAccess(consultationId);
    toast(t("emergency.given_back"));
    onGivenBack();
  });
  const until = held.data?.expires_at;
  if (!until) return null;
  return (
    <Notice kind="warning" icon="shield-alert">
      <p>{t("emergency.held", { when: formatTime(until) })}</p>
      <Button busy={give.busy} onClick={() => void give.run()}>
        {t("emergency.give_back")}
      </Button>
    </Notice>
  );
}
