// Passkeys, the authenticator app and recovery codes: adding, removing, and the one moment in which codes are shown.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { createPasskey, passkeysWork } from "../../api/passkeys";
import { problemMessage } from "../../api/problem";
import type { Factors as FactorsData, NewApp, Passkey } from "../../api/types";
import { t } from "../../messages";
import { formatDate, formatMomentInline } from "../../messages/dates";
import { config } from "../../state/config";
import { withProof } from "../../state/proof";
import { useAction } from "../../state/resource";
import { Button, Card, Confirm, CopyField, Dialog, Field, Notice, toast } from "../../ui";
import { QrCode } from "./QrCode";

type Open =
  | { kind: "passkey" }
  | { kind: "app"; app: NewApp }
  | { kind: "codes"; codes: string[] }
  | { kind: "remove"; passkey: Passkey | null }
  | null;

function Codes({ codes, onClose }: { codes: string[]; onClose: () => void }): JSX.Element {
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(codes.join("\n")).then(
      () => toast(t("copy.done")),
      () => toast(t("copy.failed")),
    );
  };
  return (
    <Dialog
      title={t("account.codes_title")}
      dismissible={false}
      onClose={onClose}
      actions={
        <>
          <Button icon="copy" onClick={() => void copy()}>
            {t("account.codes_copy")}
          </Button>
          <Button variant="primary" onClick={onClose}>
            {t("account.codes_kept")}
          </Button>
        </>
      }
    >
      <p>{t("account.codes_text")}</p>
      <ul class="codes" data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code} class="mono">
            {code}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

function AddPasskey({ onDone, onClose }: { onDone: (codes: string[]) => void; onClose: () => void }): JSX.Element {
  const [name, setName] = useState(t("account.passkey_default"));
  const { run, busy, problem } = useAction(async () => {
    const passkey = await createPasskey(await withProof(() => api.beginPasskey()));
    onDone((await api.addPasskey(name.trim(), passkey)).recovery_codes);
  });
  return (
    <Dialog
      title={t("account.passkey_add")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={() => void run()}>
            {t("account.passkey_add")}
          </Button>
        </>
      }
    >
      <p>{t("second.passkey_hint")}</p>
      {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      <Field
        label={t("account.passkey_name")}
        hint={t("account.passkey_name_hint")}
        value={name}
        onInput={setName}
        maxLength={60}
        required
      />
    </Dialog>
  );
}

function AddApp(props: { app: NewApp; onDone: (codes: string[]) => void; onClose: () => void }): JSX.Element {
  const [code, setCode] = useState("");
  const { run, busy, problem } = useAction(async () => {
    props.onDone((await withProof(() => api.addApp(code))).recovery_codes);
  });
  return (
    <Dialog
      title={t("account.app_title")}
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={() => void run()}>
            {t("second.submit")}
          </Button>
        </>
      }
    >
      <p>{t("account.app_scan")}</p>
      <QrCode squares={props.app.squares} label={t("account.app_qr")} />
      <div class="stack stack--tight">
        <p class="field__label">{t("account.app_secret")}</p>
        <CopyField label={t("account.app_secret")} value={props.app.secret} />
      </div>
      {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <Field
          label={t("account.app_code")}
          name="one-time-code"
          value={code}
          onInput={setCode}
          autocomplete="one-time-code"
          inputmode="numeric"
          maxLength={12}
          required
        />
      </form>
    </Dialog>
  );
}

export function Factors({ factors, onChange }: { factors: FactorsData; onChange: () => void }): JSX.Element {
  const [open, setOpen] = useState<Open>(null);
  const added = (words: string) => (codes: string[]): void => {
    toast(words);
    // codes are shown only now: nothing else may happen on the page until they are kept
    if (codes.length > 0) setOpen({ kind: "codes", codes });
    else {
      setOpen(null);
      onChange();
    }
  };
  const beginApp = useAction(async () => setOpen({ kind: "app", app: await withProof(() => api.beginApp()) }));
  const codes = useAction(async () => {
    setOpen({ kind: "codes", codes: (await withProof(() => api.newRecoveryCodes())).recovery_codes });
  });
  const remove = useAction(async (passkey: Passkey | null) => {
    await withProof(() => (passkey ? api.removePasskey(passkey.id) : api.removeApp()));
    toast(t("account.removed"));
    setOpen(null);
    onChange();
  });
  const hasAny = factors.passkeys.length > 0 || factors.authenticator_app_added_at !== null;
  const passkeys = config.value?.passkeys === true && passkeysWork();
  const problem = beginApp.problem ?? codes.problem;
  return (
    <Card title={t("account.factors")} intro={t("account.factors_intro")}>
      <div class="stack">
        {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
        <ul class="plain-list">
          {factors.passkeys.map((passkey) => (
            <li key={passkey.id}>
              <div class="plain-list__main">
                <strong>{passkey.name}</strong>
                <span class="soft small">
                  {t("account.method.passkey")} · {t("account.passkey_added", { when: formatDate(passkey.created_at) })}
                  {passkey.last_used_at && ` · ${t("account.passkey_used", { when: formatMomentInline(passkey.last_used_at) })}`}
                </span>
              </div>
              <Button variant="danger-quiet" onClick={() => setOpen({ kind: "remove", passkey })}>
                {t("account.remove")}
                <span class="quietly">({passkey.name})</span>
              </Button>
            </li>
          ))}
          <li>
            <div class="plain-list__main">
              <strong>{t("account.app")}</strong>
              <span class="soft small">
                {factors.authenticator_app_added_at
                  ? t("account.app_set", { when: formatDate(factors.authenticator_app_added_at) })
                  : t("account.app_none")}
              </span>
            </div>
            <div class="row">
              <Button busy={beginApp.busy} onClick={() => void beginApp.run()}>
                {t(factors.authenticator_app_added_at ? "account.app_replace" : "account.app_add")}
              </Button>
              {factors.authenticator_app_added_at && (
                <Button variant="danger-quiet" onClick={() => setOpen({ kind: "remove", passkey: null })}>
                  {t("account.remove")}
                  <span class="quietly">({t("account.app")})</span>
                </Button>
              )}
            </div>
          </li>
          {hasAny && (
            <li>
              <div class="plain-list__main">
                <strong>{t("account.codes")}</strong>
                <span class="soft small">{t("account.codes_left", { count: factors.recovery_codes_left })}</span>
              </div>
              <Button busy={codes.busy} onClick={() => void codes.run()}>
                {t("account.codes_new")}
              </Button>
            </li>
          )}
        </ul>
        {passkeys && (
          <div class="row">
            <Button variant={hasAny ? "secondary" : "primary"} icon="plus" onClick={() => setOpen({ kind: "passkey" })}>
              {t("account.passkey_add")}
            </Button>
          </div>
        )}
      </div>
      {open?.kind === "passkey" && <AddPasskey onDone={added(t("account.passkey_done"))} onClose={() => setOpen(null)} />}
      {open?.kind === "app" && <AddApp app={open.app} onDone={added(t("account.app_done"))} onClose={() => setOpen(null)} />}
      {open?.kind === "codes" && (
        <Codes
          codes={open.codes}
          onClose={() => {
            setOpen(null);
            onChange();
          }}
        />
      )}
      {open?.kind === "remove" && (
        <Confirm
          title={t("account.remove_title")}
          confirmLabel={t("account.remove")}
          danger
          busy={remove.busy}
          problem={remove.problem}
          onConfirm={() => void remove.run(open.passkey)}
          onClose={() => {
            remove.clear();
            setOpen(null);
          }}
        >
          <p>
            <strong>{open.passkey ? open.passkey.name : t("account.app")}</strong>
          </p>
          <p>{t("account.remove_text")}</p>
        </Confirm>
      )}
    </Card>
  );
}
