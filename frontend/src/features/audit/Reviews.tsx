// Sign-offs of log reviews: what was looked through, by whom, and what they found.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { LogReview } from "../../api/types";
import { t } from "../../messages";
import { formatMomentInline } from "../../messages/dates";
import "../../messages/identity";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Card, Dialog, Loaded, ProblemNotice, Select, TextArea, toast } from "../../ui";

const SHOWN = 5;

function SignOff({ size, onDone, onClose }: { size: number; onDone: () => void; onClose: () => void }): JSX.Element {
  const [finding, setFinding] = useState<LogReview["finding"]>("nothing_unusual");
  const [note, setNote] = useState("");
  const [tried, setTried] = useState(false);
  const missing = finding === "follow_up" && note.trim() === "";
  const { run, busy, problem } = useAction(async () => {
    await api.reviewLog(size, finding, note.trim());
    toast(t("review.done"));
    onDone();
  });
  return (
    <Dialog
      title={t("review.add")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button
            variant="primary"
            busy={busy}
            onClick={() => {
              setTried(true);
              if (!missing) void run();
            }}
          >
            {t("review.submit")}
          </Button>
        </>
      }
    >
      <p>{t("review.covers", { size })}</p>
      <Select
        label={t("review.finding")}
        value={finding}
        onChange={setFinding}
        options={(["nothing_unusual", "follow_up"] as const).map((value) => ({ value, label: t(`review.finding.${value}`) }))}
      />
      <TextArea
        label={t("review.note")}
        hint={t("review.note_hint")}
        value={note}
        onInput={setNote}
        maxLength={500}
        optional={finding === "nothing_unusual"}
        error={tried && missing ? t("review.note_missing") : undefined}
      />
      {problem && <ProblemNotice problem={problem} />}
    </Dialog>
  );
}

/** `size`: how many entries the log has, as the auditor has just seen it. */
export function Reviews({ size }: { size: number | null }): JSX.Element {
  const reviews = useResource((signal) => api.logReviews(signal), []);
  const [open, setOpen] = useState(false);
  return (
    <Card
      title={t("review.title")}
      intro={t("review.intro")}
      actions={
        size !== null &&
        size > 0 && (
          <Button icon="check" onClick={() => setOpen(true)}>
            {t("review.add")}
          </Button>
        )
      }
    >
      <Loaded of={reviews} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <p class="soft">{t("review.empty")}</p>
          ) : (
            <ul class="plain-list">
              {list.slice(0, SHOWN).map((review) => (
                <li key={review.id}>
                  <div class="plain-list__main">
                    <strong>
                      {t("review.line", { size: review.log_size, name: review.reviewed_by, when: formatMomentInline(review.reviewed_at) })}
                    </strong>
                    {review.note && <span class="soft small">{review.note}</span>}
                  </div>
                  <Badge kind={review.finding === "follow_up" ? "warning" : "success"}>{t(`review.finding.${review.finding}`)}</Badge>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {open && size !== null && (
        <SignOff
          size={size}
          onDone={() => {
            setOpen(false);
            reviews.reload();
          }}
          onClose={() => setOpen(false)}
        />
      )}
    </Card>
  );
}
