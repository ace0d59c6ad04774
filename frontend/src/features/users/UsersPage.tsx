// Who has an account.
import type { JSX } from "preact";
import { api } from "../../api/client";
import type { User } from "../../api/types";
import { t } from "../../messages";
import { formatDate, formatMoment } from "../../messages/dates";
import "../../messages/staff";
import { account } from "../../state/account";
import { useResource } from "../../state/resource";
import { Badge, Card, EmptyState, Loaded, Page, Table, type Column } from "../../ui";

function columns(me: string | undefined): Column<User>[] {
  return [
    {
      key: "name",
      header: t("users.name"),
      main: true,
      cell: (user) => (
        <>
          {user.display_name} {user.id === me && <Badge kind="brand">{t("users.you")}</Badge>}
        </>
      ),
    },
    { key: "username", header: t("users.username"), cell: (user) => <span class="mono">{user.username}</span> },
    { key: "role", header: t("users.role"), cell: (user) => t(`role.${user.role}`) },
    {
      key: "status",
      header: t("users.status"),
      cell: (user) => <Badge kind={user.status === "active" ? "success" : "neutral"}>{t(`users.status.${user.status}`)}</Badge>,
    },
    { key: "created", header: t("users.created"), cell: (user) => formatDate(user.created_at) },
    {
      key: "last",
      header: t("users.last"),
      cell: (user) => (user.last_sign_in_at ? formatMoment(user.last_sign_in_at) : <span class="faint">{t("users.never")}</span>),
    },
  ];
}

export default function UsersPage(): JSX.Element {
  const users = useResource((signal) => api.users(signal), []);
  const me = account()?.id;
  return (
    <Page title={t("users.title")} intro={t("users.intro")}>
      <Loaded of={users} lines={6}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState icon="people" title={t("users.empty.title")}>
              {t("users.empty.text")}
            </EmptyState>
          ) : (
            <Card>
              <Table caption={t("users.title")} columns={columns(me)} rows={list} rowKey={(user) => user.id} />
            </Card>
          )
        }
      </Loaded>
    </Page>
  );
}
