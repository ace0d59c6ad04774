// Who has an account, and for administrators: making, changing, suspending and resetting one.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { PasswordLink, User } from "../../api/types";
import { t } from "../../messages";
import { formatDateTime, formatMoment } from "../../messages/dates";
import "../../messages/identity";
import "../../messages/staff";
import { account } from "../../state/account";
import { useResource } from "../../state/resource";
import { Badge, Button, Card, CopyField, Dialog, EmptyState, Loaded, Page, Table, type Column } from "../../ui";
import { AddUser } from "./AddUser";
import { ManageUser } from "./ManageUser";

const STATUS = { active: "success", invited: "info", suspended: "neutral" } as const;

export function waysIn(user: User): string {
  return user.signs_in_with.map((way) => t(`account.method.${way}`)).join(", ");
}

function columns(me: string | undefined, onManage: ((user: User) => void) | null): Column<User>[] {
  const all: Column<User>[] = [
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
    { key: "status", header: t("users.status"), cell: (user) => <Badge kind={STATUS[user.status]}>{t(`users.status.${user.status}`)}</Badge> },
    {
      key: "ways",
      header: t("users.signs_in"),
      cell: (user) => waysIn(user) || <span class="faint">{t("users.signs_in_none")}</span>,
    },
    {
      key: "last",
      header: t("users.last"),
      cell: (user) => (user.last_sign_in_at ? formatMoment(user.last_sign_in_at) : <span class="faint">{t("users.never")}</span>),
    },
  ];
  if (onManage) {
    all.push({
      key: "manage",
      header: t("users.manage"),
      bare: true,
      end: true,
      cell: (user) => (
        <Button onClick={() => onManage(user)}>
          {t("users.manage")}
          <span class="quietly">({user.display_name})</span>
        </Button>
      ),
    });
  }
  return all;
}

/** The one time a link is shown. */
function LinkDialog({ link, onClose }: { link: PasswordLink; onClose: () => void }): JSX.Element {
  return (
    <Dialog
      title={t("users.link_title", { username: link.username })}
      wide
      onClose={onClose}
      actions={<Button onClick={onClose}>{t("action.close")}</Button>}
    >
      <CopyField label={t("users.link_label")} value={link.link} copyLabel={t("link.copy")} />
      <p class="soft">{t("users.link_text", { when: formatDateTime(link.expires_at) })}</p>
    </Dialog>
  );
}

type Open = { kind: "add" } | { kind: "manage"; user: User } | { kind: "link"; link: PasswordLink } | null;

export default function UsersPage(): JSX.Element {
  const users = useResource((signal) => api.users(signal), []);
  const [open, setOpen] = useState<Open>(null);
  const me = account();
  const administrator = me?.role === "administrator";
  const close = (): void => setOpen(null);
  const made = (link: PasswordLink): void => {
    setOpen({ kind: "link", link });
    users.reload();
  };
  return (
    <Page
      title={t("users.title")}
      intro={t("users.intro")}
      actions={
        <>
          {(administrator || me?.role === "auditor") && (
            <Button icon="document" href="/users/access">
              {t("users.to_access")}
            </Button>
          )}
          {administrator && (
            <Button variant="primary" icon="plus" onClick={() => setOpen({ kind: "add" })}>
              {t("users.add")}
            </Button>
          )}
        </>
      }
    >
      <Loaded of={users} lines={6}>
        {(list) =>
          list.length === 0 ? (
            <EmptyState icon="people" title={t("users.empty.title")}>
              {t("users.empty.text")}
            </EmptyState>
          ) : (
            <Card>
              <Table
                caption={t("users.title")}
                columns={columns(me?.id, administrator ? (user) => setOpen({ kind: "manage", user }) : null)}
                rows={list}
                rowKey={(user) => user.id}
              />
            </Card>
          )
        }
      </Loaded>
      {open?.kind === "add" && <AddUser onMade={made} onClose={close} />}
      {open?.kind === "manage" && (
        <ManageUser
          user={open.user}
          own={open.user.id === me?.id}
          onLink={made}
          onChanged={() => {
            close();
            users.reload();
          }}
          onClose={close}
        />
      )}
      {open?.kind === "link" && <LinkDialog link={open.link} onClose={close} />}
    </Page>
  );
}
