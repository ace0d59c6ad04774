// A records officer decides what becomes of a recording from which somebody withdrew.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { t } from "../../messages";
import { withProof } from "../../state/proof";
import { useAction } from "../../state/resource";
import { Button, Card, Confirm, ProblemNotice, toast } from "../../ui";
import { testId } from "../call/testId";

export function ReviewCard({ recordingId, onDone }: { recordingId: string; onDone: () => void }): JSX.Element {
  const [asking, setAsking] = useState(false);
  const review = useAction(async (outcome: "keep" | "destroy") => {
    await withProof(() => api.reviewRecording(recordingId, outcome));
    setAsking(false);
    toast(t("withdrawal.done"));
    onDone();
  });
  return (
    <Card title={t("withdrawal.title")}>
      <div class="stack" data-testid="review">
        <p>{t("withdrawal.text")}</p>
        {review.problem && !asking && <ProblemNotice problem={review.problem} />}
        <div class="row">
          <Button variant="primary" busy={review.busy} buttonRef={testId("review-keep")} onClick={() => void review.run("keep")}>
            {t("withdrawal.keep")}
          </Button>
          <Button variant="danger-quiet" buttonRef={testId("review-destroy")} onClick={() => setAsking(true)}>
            {t("withdrawal.destroy")}
          </Button>
        </div>
      </div>
      {asking && (
        <Confirm
          title={t("withdrawal.destroy_title")}
          confirmLabel={t("withdrawal.destroy")}
          danger
          busy={review.busy}
          problem={review.problem}
          onConfirm={() => void review.run("destroy")}
          onClose={() => setAsking(false)}
        >
          <p>{t("withdrawal.destroy_text")}</p>
        </Confirm>
      )}
    </Card>
  );
}
