// The links of a consultation: making, replacing and cancelling them. A link's text exists here only right after it was made.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { Consultation, Invitation, InvitedRole } from "../../api/types";
import { t } from "../../messages";
import { formatDateTime } from "../../messages/dates";
import { useAction, useResource } from "../../state/resource";
import { Button, Card, Checkbox, Confirm, Dialog, Field, Loaded, ProblemNotice, Select, toast } from "../../ui";
import { FreshLink } from "./FreshLink";
import { InvitationBadge } from "./StatusBadge";

const ROLES: readonly InvitedRole[] = ["patient", "related_person", "interpreter", "observer"];
const REFRESH_MS = 15_000;

function nameOf(invitation: Invitation): string {
  return invitation.name_hint ?? t(`role.${invitation.role}`);
}

type Open =
  | { kind: "invite" }
  | { kind: "link"; invitation: Invitation }
  | { kind: "reissue"; invitation: Invitation }
  | { kind: "cancel"; invitation: Invitation }
  | null;

function InviteDialog(props: {
  consultation: Consultation;
  hasPatientLink: boolean;
  onMade: (invitation: Invitation) => void;
  onClose: () => void;
}): JSX.Element {
  const [role, setRole] = useState<InvitedRole>(props.hasPatientLink ? "related_person" : "patient");
  const [name, setName] = useState("");
  const [withCode, setWithCode] = useState(false);
  const { run, busy, problem } = useAction(async () => {
    props.onMade(await api.createInvitation(props.consultation.id, role, name.trim() === "" ? null : name.trim(), withCode));
  });
  return (
    <Dialog
      title={t("invite.title")}
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={() => void run()}>
            {t("invite.submit")}
          </Button>
        </>
      }
    >
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <Select
          label={t("invite.role")}
          value={role}
          onChange={setRole}
          options={ROLES.map((value) => ({ value, label: t(`invite.role.${value}`) }))}
        />
        <Field
          label={t("invite.name")}
          hint={t("invite.name_hint")}
          value={name}
          onInput={setName}
          optional
          maxLength={100}
          error={problem?.field("name_hint")}
        />
        <Checkbox label={t("invite.with_code")} checked={withCode} onChange={setWithCode} />
      </form>
      {problem && <ProblemNotice problem={problem} />}
    </Dialog>
  );
}

function Row(props: { invitation: Invitation; open: boolean; onAsk: (open: Open) => void }): JSX.Element {
  const { invitation, open } = props;
  const alive = invitation.status === "open" || invitation.status === "redeemed";
  return (
    <li>
      <div class="plain-list__main">
        <strong>{nameOf(invitation)}</strong>
        <span class="soft small">
          {[
            invitation.name_hint ? t(`role.${invitation.role}`) : "",
            invitation.with_code ? t("invite.has_code") : "",
            invitation.status === "open" ? t("link.valid_until", { when: formatDateTime(invitation.expires_at) }) : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </div>
      <InvitationBadge status={invitation.status} />
      {open && (
        <div class="plain-list__actions">
          <Button
            variant="quiet"
            icon="refresh"
            class="plain-list__action"
            onClick={() => props.onAsk({ kind: "reissue", invitation })}
          >
            {t("invite.reissue")}
            <span class="quietly">({nameOf(invitation)})</span>
          </Button>
          {alive && (
            <Button variant="danger-quiet" onClick={() => props.onAsk({ kind: "cancel", invitation })}>
              {t("invite.cancel")}
              <span class="quietly">({nameOf(invitation)})</span>
            </Button>
          )}
        </div>
      )}
    </li>
  );
}

export function Invitations({ consultation }: { consultation: Consultation }): JSX.Element {
  const open = consultation.status === "planned" || consultation.status === "in_progress";
  const [asked, ask] = useState<Open>(null);
  const invitations = useResource(
    (signal) => api.invitations(consultation.id, signal),
    [consultation.id, consultation.status],
    open ? { every: REFRESH_MS, probe: (signal) => api.waiting(signal) } : {},
  );
  const show = (invitation: Invitation): void => {
    ask({ kind: "link", invitation });
    invitations.reload();
  };
  const change = useAction(async () => {
    if (asked?.kind === "reissue") show(await api.reissueInvitation(asked.invitation.id));
    else if (asked?.kind === "cancel") {
      await api.cancelInvitation(asked.invitation.id);
      toast(t("invite.cancel_done"));
      ask(null);
      invitations.reload();
    }
  });
  const close = (): void => {
    change.clear();
    ask(null);
  };
  return (
    <Card
      title={t("detail.links")}
      intro={open ? t("detail.links_intro") : t("detail.links_closed")}
      actions={
        open && (
          <Button icon="plus" onClick={() => ask({ kind: "invite" })}>
            {t("detail.invite")}
          </Button>
        )
      }
    >
      <Loaded of={invitations} lines={2}>
        {(list) =>
          list.length === 0 ? (
            <p class="soft">{t("detail.links_empty")}</p>
          ) : (
            <ul class="plain-list">
              {list.map((invitation) => (
                <Row key={invitation.id} invitation={invitation} open={open} onAsk={ask} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {asked?.kind === "invite" && (
        <InviteDialog
          consultation={consultation}
          hasPatientLink={(invitations.data ?? []).some((one) => one.role === "patient" && one.status !== "cancelled")}
          onMade={show}
          onClose={close}
        />
      )}
      {asked?.kind === "link" && (
        <Dialog
          title={t("invite.done", { role: nameOf(asked.invitation) })}
          wide
          onClose={close}
          actions={<Button onClick={close}>{t("action.close")}</Button>}
        >
          <FreshLink consultation={consultation} invitation={asked.invitation} />
        </Dialog>
      )}
      {(asked?.kind === "reissue" || asked?.kind === "cancel") && (
        <Confirm
          title={t(asked.kind === "reissue" ? "invite.reissue_title" : "invite.cancel_title")}
          confirmLabel={t(asked.kind === "reissue" ? "invite.reissue_confirm" : "invite.cancel")}
          danger={asked.kind === "cancel"}
          busy={change.busy}
          problem={change.problem}
          onConfirm={() => void change.run()}
          onClose={close}
        >
          <p>
            <strong>{nameOf(asked.invitation)}</strong> · {t(`role.${asked.invitation.role}`)}
          </p>
          <p>{t(asked.kind === "reissue" ? "invite.reissue_text" : "invite.cancel_text")}</p>
        </Confirm>
      )}
    </Card>
  );
}
