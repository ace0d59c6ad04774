// Who decided what in a consultation, for those who may read it.
import type { JSX } from "preact";
import { api } from "../../api/client";
import { t } from "../../messages";
import { formatMoment } from "../../messages/dates";
import { useResource } from "../../state/resource";
import { Badge, Card, Loaded } from "../../ui";

const BADGES = { permit: "success", deny: "danger", withdrawn: "warning" } as const;

export function ConsentsCard({ consultationId, round }: { consultationId: string; round: string }): JSX.Element {
  const consents = useResource((signal) => api.consents(consultationId, signal), [consultationId, round]);
  return (
    <Card title={t("detail.consents")}>
      <Loaded of={consents} lines={2}>
        {(all) => {
          const standing = all.filter((one) => one.stands);
          if (standing.length === 0) return <p class="soft">{t("detail.consents_none")}</p>;
          return (
            <ul class="consents" data-testid="consultation-consents">
              {standing.map((one) => (
                <li key={one.id} class="row row--spread">
                  <span>
                    <strong>{one.person ?? t(`role.${one.role}`)}</strong>{" "}
                    <span class="small soft">
                      {[...one.permitted, ...one.denied].map((purpose) => t(`purpose.${purpose}`)).join(", ")} · {formatMoment(one.decided_at)}
                    </span>
                  </span>
                  <Badge kind={BADGES[one.decision]}>{t(`decision.${one.decision}`)}</Badge>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Card>
  );
}
