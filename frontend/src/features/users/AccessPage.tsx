// The access review: every account with what the policies in force let it do, and a copy to keep.
import type { JSX } from "preact";
import { api } from "../../api/client";
import type { AccessReview } from "../../api/types";
import { t } from "../../messages";
import { formatDateTime, formatMoment } from "../../messages/dates";
import "../../messages/identity";
import "../../messages/staff";
import { useResource } from "../../state/resource";
import { Badge, Button, Card, Facts, Icon, Loaded, Page, toast } from "../../ui";
import "../policies/policies.css";
import { accessCsv } from "./access-csv";

function download(review: AccessReview): void {
  const file = `access-review-${review.made_at.slice(0, 10)}.csv`;
  const address = URL.createObjectURL(new Blob([accessCsv(review)], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = file;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
  toast(t("access.exported", { file }));
}

function Person({ user }: { user: AccessReview["users"][number] }): JSX.Element {
  return (
    <details class="file">
      <summary>
        <Icon name="chevron-right" size={18} />
        <span class="row">
          <strong>{user.display_name}</strong> <span class="soft">{t(`role.${user.role}`)}</span>
          {user.status !== "active" && <Badge kind="neutral">{t(`users.status.${user.status}`)}</Badge>}
          <span class="faint small">
            {t("access.count", { count: user.may.length })} ·{" "}
            {user.last_sign_in_at ? formatMoment(user.last_sign_in_at) : t("users.never")}
          </span>
        </span>
      </summary>
      <div class="file__body">
        {user.may.length === 0 ? (
          <p class="soft">{t("access.nothing")}</p>
        ) : (
          <ul class="access">
            {user.may.map((one) => (
              <li key={one.operation}>
                <span class="mono small">{one.operation}</span>
                {one.reach !== "yes" && <span class="soft small"> · {one.reach}</span>}
              </li>
            ))}
          </ul>
        )}
      </div>
    </details>
  );
}

export default function AccessPage(): JSX.Element {
  const review = useResource((signal) => api.accessReview(signal), []);
  return (
    <Page
      title={t("access.title")}
      intro={t("access.intro")}
      back={{ href: "/users", label: t("access.back") }}
      actions={
        review.data && (
          <Button icon="download" onClick={() => review.data && download(review.data)}>
            {t("access.export")}
          </Button>
        )
      }
    >
      <Loaded of={review} lines={6}>
        {(data) => (
          <div class="stack">
            <Card>
              <Facts
                items={[
                  [t("access.made"), formatDateTime(data.made_at)],
                  [t("access.digest"), <span class="digest-line__value">{data.policy_digest}</span>],
                ]}
              />
            </Card>
            <Card>
              {data.users.map((user) => (
                <Person key={user.id} user={user} />
              ))}
            </Card>
          </div>
        )}
      </Loaded>
    </Page>
  );
}
