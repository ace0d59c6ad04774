// Where the log is handed on to, and how it goes with each place.
import type { JSX } from "preact";
import { api } from "../../api/client";
import { t } from "../../messages";
import { formatMomentInline } from "../../messages/dates";
import { useResource } from "../../state/resource";
import { Badge, Card, Loaded } from "../../ui";

export function Places(): JSX.Element {
  const places = useResource((signal) => api.auditPlaces(signal), [], { every: 10_000 });
  return (
    <Card title={t("audit.places")} intro={t("audit.places.intro")}>
      <Loaded of={places} lines={2}>
        {({ places: all, size }) =>
          all.length === 0 ? (
            <p class="soft">{t("audit.places.none")}</p>
          ) : (
            <ul class="plain-list">
              {all.map((place) => (
                <li key={place.name}>
                  <div class="plain-list__main">
                    <strong>{place.name}</strong>
                    <span class="soft small">
                      {place.to} · {t(place.keeps_checkpoints ? "audit.places.checkpoint" : "audit.places.entries", { count: place.position })}
                      {place.updated_at && `, ${formatMomentInline(place.updated_at)}`}
                    </span>
                    {!place.keeps_checkpoints && place.position < size && (
                      <span class="small">{t("audit.places.behind", { count: size - place.position })}</span>
                    )}
                    {place.error && place.failing_since && (
                      <span class="small">{t("audit.places.failing", { since: formatMomentInline(place.failing_since), error: place.error })}</span>
                    )}
                  </div>
                  <Badge kind={place.error ? "danger" : "success"}>{t(place.error ? "audit.places.bad" : "audit.places.good")}</Badge>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Card>
  );
}
