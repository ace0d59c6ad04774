// One's own account: password, second factors, sign-in sessions. Somebody who must set something up first sees that and nothing else.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import type { Account, Factors as FactorsData } from "../../api/types";
import { t } from "../../messages";
import { formatDate } from "../../messages/dates";
import "../../messages/identity";
import "../../messages/staff";
import { homeOf, signedIn } from "../../state/account";
import { withProof } from "../../state/proof";
import { useAction, useResource } from "../../state/resource";
import { Button, Card, Dialog, Field, Loaded, Notice, Page, toast } from "../../ui";
import "./account.css";
import { Factors } from "./Factors";
import { EMPTY_PASSWORD, isReady, NewPassword } from "./NewPassword";
import { SHORTEST_ALONE, SHORTEST_WITH_FACTOR } from "./password-rules";
import { Sessions } from "./Sessions";

function ChangePassword(props: { has: boolean; least: number; onDone: () => void; onClose: () => void }): JSX.Element {
  const [current, setCurrent] = useState("");
  const [value, setValue] = useState(EMPTY_PASSWORD);
  const [tried, setTried] = useState(false);
  const { run, busy, problem } = useAction(async () => {
    await withProof(() => api.changePassword(current, value.password));
    props.onDone();
  });
  const submit = (): void => {
    setTried(true);
    if (isReady(value, props.least)) void run();
  };
  return (
    <Dialog
      title={t("account.password_change")}
      onClose={props.onClose}
      actions={
        <>
          <Button onClick={props.onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={submit}>
            {t("set_password.submit")}
          </Button>
        </>
      }
    >
      {problem && problem.code !== "VALIDATION" && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {props.has && (
          <Field
            label={t("password.current")}
            name="current-password"
            type="password"
            value={current}
            onInput={setCurrent}
            autocomplete="current-password"
            required
            maxLength={1000}
          />
        )}
        <NewPassword value={value} onChange={setValue} least={props.least} tried={tried} problem={problem} />
        <button type="submit" class="quietly" tabIndex={-1} aria-hidden="true" />
      </form>
    </Dialog>
  );
}

function Password({ factors, onChange }: { factors: FactorsData; onChange: () => void }): JSX.Element {
  const [changing, setChanging] = useState(false);
  const has = factors.password_changed_at !== null;
  const strong = factors.required || factors.passkeys.length > 0 || factors.authenticator_app_added_at !== null;
  return (
    <Card
      title={t("account.password")}
      actions={<Button onClick={() => setChanging(true)}>{t("account.password_change")}</Button>}
    >
      <p class="soft">
        {factors.password_changed_at
          ? t("account.password_set", { when: formatDate(factors.password_changed_at) })
          : t("account.password_none")}
      </p>
      {changing && (
        <ChangePassword
          has={has}
          least={strong ? SHORTEST_WITH_FACTOR : SHORTEST_ALONE}
          onDone={() => {
            setChanging(false);
            toast(t("account.password_done"));
            onChange();
          }}
          onClose={() => setChanging(false)}
        />
      )}
    </Card>
  );
}

export default function AccountPage({ who }: { who: Account }): JSX.Element {
  const factors = useResource((signal) => api.factors(signal), []);
  const [wasMissing] = useState(who.missing !== null);
  const changed = (): void => {
    factors.reload();
    void api.account().then(signedIn, () => undefined); // what is still missing may have changed; if not, the page stays as it is
  };
  return (
    <Page title={t("account.title")} intro={t("account.intro")} width="narrow">
      <div class="stack">
        {who.missing && (
          <Notice kind="warning" icon="shield-alert" title={t(`account.missing.${who.missing}`)} live>
            {t(`account.missing.${who.missing}_text`)}
          </Notice>
        )}
        {wasMissing && !who.missing && (
          <>
            <Notice kind="success" live>
              {t("account.ready")}
            </Notice>
            <div class="row">
              <Button variant="primary" href={homeOf(who.role)}>
                {t("account.go_on")}
              </Button>
            </div>
          </>
        )}
        <Loaded of={factors} lines={4}>
          {(data) => (
            <div class="stack">
              <Factors factors={data} onChange={changed} />
              <Password factors={data} onChange={changed} />
            </div>
          )}
        </Loaded>
        <Sessions />
      </div>
    </Page>
  );
}
