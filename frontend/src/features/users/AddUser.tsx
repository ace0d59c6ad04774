// Making an account: who, which role; then a link for its owner. Nobody but the owner ever knows the password.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { ROLES, type PasswordLink, type Role } from "../../api/types";
import { t } from "../../messages";
import { withProof } from "../../state/proof";
import { useAction } from "../../state/resource";
import { Button, Dialog, Field, ProblemNotice, Select } from "../../ui";

export function RoleSelect({ value, onChange, hint }: { value: Role; onChange: (role: Role) => void; hint?: string }): JSX.Element {
  return (
    <div class="stack stack--tight">
      <Select
        label={t("users.role")}
        {...(hint ? { hint } : {})}
        value={value}
        onChange={onChange}
        options={ROLES.map((role) => ({ value: role, label: t(`role.${role}`) }))}
      />
      <p class="small soft">{t(`users.role_about.${value}`)}</p>
    </div>
  );
}

export function AddUser({ onMade, onClose }: { onMade: (link: PasswordLink) => void; onClose: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [username, setUsername] = useState("");
  const [role, setRole] = useState<Role>("clinician");
  const [tried, setTried] = useState(false);
  const { run, busy, problem } = useAction(async () => {
    onMade(await withProof(() => api.createUser(username.trim(), name.trim(), role)));
  });
  const submit = (): void => {
    setTried(true);
    if (name.trim() !== "" && username.trim() !== "") void run();
  };
  const missing = (text: string): string | undefined => (tried && text.trim() === "" ? t("field.required") : undefined);
  return (
    <Dialog
      title={t("users.add_title")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={submit}>
            {t("users.add_submit")}
          </Button>
        </>
      }
    >
      <p class="soft">{t("users.add_text")}</p>
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Field label={t("users.name")} value={name} onInput={setName} required maxLength={80} error={missing(name) ?? problem?.field("display_name")} />
        <Field
          label={t("users.username")}
          hint={t("users.username_hint")}
          value={username}
          onInput={setUsername}
          spellcheck={false}
          required
          maxLength={64}
          error={missing(username) ?? problem?.field("username")}
        />
        <RoleSelect value={role} onChange={setRole} />
        <button type="submit" class="quietly" tabIndex={-1} aria-hidden="true" />
      </form>
      {problem && problem.code !== "VALIDATION" && <ProblemNotice problem={problem} />}
    </Dialog>
  );
}
