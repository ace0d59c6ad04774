// Emergency accesses, for those who answer for them: newest first, each until somebody has confirmed having seen it.
import type { JSX } from "preact";
import { api } from "../../api/client";
import type { Emergency } from "../../api/types";
import { t } from "../../messages";
import { formatMomentInline } from "../../messages/dates";
import "../../messages/identity";
import "../../messages/staff";
import { account } from "../../state/account";
import { lookForEmergencies } from "../../state/emergencies";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Card, EmptyState, Loaded, Page, ProblemNotice, toast } from "../../ui";

/** `onSeen` is null for those who look on: an auditor reads, and an administrator confirms. */
function Item({ emergency, onSeen, busy }: { emergency: Emergency; onSeen: (() => void) | null; busy: boolean }): JSX.Element {
  return (
    <Card>
      <div class="stack stack--tight" data-testid="emergency">
        <div class="row row--spread">
          <strong>
            {emergency.account_name}: {t(`emergency.reason.${emergency.reason}`)}
          </strong>
          {emergency.seen_at === null && <Badge kind="danger">{t("emergency.unseen")}</Badge>}
        </div>
        <p>{emergency.words ?? <span class="faint">{t("emergency.words_hidden")}</span>}</p>
        <p class="soft small">
          {[
            t("emergency.taken", { when: formatMomentInline(emergency.taken_at) }),
            emergency.ended_at
              ? t("emergency.ended", { when: formatMomentInline(emergency.ended_at) })
              : t("emergency.until", { when: formatMomentInline(emergency.expires_at) }),
          ].join(" · ")}
        </p>
        <p class="soft small">
          {t("emergency.consultation")} <span class="digest">{emergency.consultation_id}</span>
        </p>
        {emergency.seen_at === null ? (
          onSeen && (
            <div class="row">
              <Button icon="check" busy={busy} onClick={onSeen}>
                {t("emergency.seen")}
              </Button>
            </div>
          )
        ) : (
          <p class="soft small">
            {t("emergency.seen_by", { name: emergency.seen_by ?? "", when: formatMomentInline(emergency.seen_at) })}
          </p>
        )}
      </div>
    </Card>
  );
}

export default function EmergenciesPage(): JSX.Element {
  const all = useResource((signal) => api.emergencies(signal), []);
  const seen = useAction(async (emergency: string) => {
    await api.emergencySeen(emergency);
    toast(t("emergency.confirmed"));
    all.reload();
    void lookForEmergencies();
  });
  const confirms = account()?.role === "administrator";
  return (
    <Page title={t("emergency.title")} intro={t(confirms ? "emergency.intro" : "emergency.intro_auditor")} width="narrow">
      <div class="stack">
        {seen.problem && <ProblemNotice problem={seen.problem} />}
        <Loaded of={all} lines={4}>
          {(list) =>
            list.length === 0 ? (
              <EmptyState icon="shield" title={t("emergency.empty.title")}>
                {t("emergency.empty.text")}
              </EmptyState>
            ) : (
              <div class="stack">
                {list.map((emergency) => (
                  <Item key={emergency.id} emergency={emergency} busy={seen.busy} onSeen={confirms ? () => void seen.run(emergency.id) : null} />
                ))}
              </div>
            )
          }
        </Loaded>
      </div>
    </Page>
  );
}
