// What an administrator can do with one account. What cannot be undone asks first; suspending is one press away.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import type { PasswordLink, User } from "../../api/types";
import { t, type Key } from "../../messages";
import { withProof } from "../../state/proof";
import { useAction } from "../../state/resource";
import { Button, Confirm, Dialog, Field, Notice, ProblemNotice, toast } from "../../ui";
import { RoleSelect } from "./AddUser";

type Asking = "suspend" | "reset_password" | "reset_factors";

const CONFIRM: Record<Asking, { title: Key; text: Key; label: Key }> = {
  suspend: { title: "users.suspend_title", text: "users.suspend_text", label: "users.suspend" },
  reset_password: { title: "users.reset_password_title", text: "users.reset_password_text", label: "users.reset_password" },
  reset_factors: { title: "users.reset_factors_title", text: "users.reset_factors_text", label: "users.reset_factors" },
};

export function ManageUser(props: {
  user: User;
  own: boolean;
  onLink: (link: PasswordLink) => void;
  onChanged: () => void;
  onClose: () => void;
}): JSX.Element {
  const { user } = props;
  const [name, setName] = useState(user.display_name);
  const [role, setRole] = useState(user.role);
  const [asking, setAsking] = useState<Asking | null>(null);
  const save = useAction(async () => {
    await withProof(() => api.changeUser(user.id, name.trim(), role));
    toast(t("users.saved"));
    props.onChanged();
  });
  const restore = useAction(async () => {
    await withProof(() => api.restoreUser(user.id));
    toast(t("users.restored", { name: user.display_name }));
    props.onChanged();
  });
  const act = useAction(async () => {
    if (asking === "reset_password") {
      props.onLink(await withProof(() => api.resetPassword(user.id)));
      return;
    }
    if (asking === "suspend") {
      await api.suspendUser(user.id);
      toast(t("users.suspended", { name: user.display_name }));
    } else {
      await withProof(() => api.resetFactors(user.id));
      toast(t("users.factors_reset"));
    }
    props.onChanged();
  });
  if (asking) {
    const { title, text, label } = CONFIRM[asking];
    return (
      <Confirm
        title={t(title, { name: user.display_name })}
        confirmLabel={t(label)}
        danger
        busy={act.busy}
        problem={act.problem}
        onConfirm={() => void act.run()}
        onClose={() => {
          act.clear();
          setAsking(null);
        }}
      >
        <p>{t(text)}</p>
      </Confirm>
    );
  }
  const changed = name.trim() !== user.display_name || role !== user.role;
  return (
    <Dialog
      title={user.display_name}
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>{t("action.close")}</Button>
          {!props.own && (
            <Button variant="primary" busy={save.busy} disabled={!changed || name.trim() === ""} onClick={() => void save.run()}>
              {t("users.save")}
            </Button>
          )}
        </>
      }
    >
      {props.own ? (
        <Notice>{t("users.own")}</Notice>
      ) : (
        <>
          <Field label={t("users.name")} value={name} onInput={setName} maxLength={80} required error={save.problem?.field("display_name")} />
          <RoleSelect value={role} onChange={setRole} hint={t("users.role_hint")} />
          {save.problem && <ProblemNotice problem={save.problem} />}
          {restore.problem && <ProblemNotice problem={restore.problem} />}
          <div class="row">
            {user.status === "suspended" ? (
              <Button busy={restore.busy} onClick={() => void restore.run()}>
                {t("users.restore")}
              </Button>
            ) : (
              <>
                <Button variant="danger-quiet" onClick={() => setAsking("suspend")}>
                  {t("users.suspend")}
                </Button>
                <Button onClick={() => setAsking("reset_password")}>{t("users.reset_password")}</Button>
                {(user.signs_in_with.includes("passkey") || user.signs_in_with.includes("authenticator_app")) && (
                  <Button onClick={() => setAsking("reset_factors")}>{t("users.reset_factors")}</Button>
                )}
              </>
            )}
          </div>
        </>
      )}
    </Dialog>
  );
}
