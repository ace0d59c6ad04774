// The second step of signing in: a passkey, a code of the app, or a recovery code. What the account does not have is not offered.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { showPasskey } from "../../api/passkeys";
import { problemMessage } from "../../api/problem";
import type { Account, SecondFactorAsked } from "../../api/types";
import { t } from "../../messages";
import { focusFirstError } from "../../state/forms";
import { useAction } from "../../state/resource";
import { Button, Field, Notice, useHeadingFocus, useTitle } from "../../ui";

export function SecondFactor(props: {
  asked: SecondFactorAsked;
  onDone: (who: Account) => void;
  onBack: () => void;
}): JSX.Element {
  const { asked } = props;
  const [recovering, setRecovering] = useState(!asked.authenticator_app && !asked.passkey);
  const [code, setCode] = useState("");
  const [tried, setTried] = useState(false);
  const heading = useHeadingFocus(true);
  useTitle(t("second.title"));
  const byPasskey = useAction(async () => {
    props.onDone(await api.secondFactor({ passkey: await showPasskey(await api.askSecondPasskey()) }));
  });
  const byCode = useAction(async () => {
    props.onDone(await api.secondFactor(recovering ? { recovery_code: code } : { code }));
  });
  const problem = byPasskey.problem ?? byCode.problem;
  const typing = recovering || asked.authenticator_app;
  const switchTo = (next: boolean): void => {
    setRecovering(next);
    setCode("");
    setTried(false);
    byCode.clear();
  };
  return (
    <div class="sign-in__form stack">
      <div class="stack stack--tight">
        <h1 ref={heading} tabIndex={-1}>
          {t("second.title")}
        </h1>
        <p class="soft">{t("second.intro")}</p>
      </div>
      {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      {asked.passkey && !recovering && (
        <div class="stack stack--tight">
          <Button variant="primary" size="large" wide icon="lock" busy={byPasskey.busy} onClick={() => void byPasskey.run()}>
            {t("second.passkey")}
          </Button>
          <p class="small soft">{t("second.passkey_hint")}</p>
        </div>
      )}
      {asked.passkey && asked.authenticator_app && !recovering && <p class="sign-in__or">{t("sign_in.or")}</p>}
      {typing && (
        <form
          class="stack"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (code.trim() === "") focusFirstError(event.currentTarget as HTMLFormElement);
            else void byCode.run();
          }}
        >
          <Field
            key={recovering ? "recovery" : "code"}
            label={t(recovering ? "second.recovery" : "second.code")}
            hint={t(recovering ? "second.recovery_hint" : "second.code_hint")}
            name="one-time-code"
            value={code}
            onInput={setCode}
            autocomplete={recovering ? "off" : "one-time-code"}
            inputmode={recovering ? "text" : "numeric"}
            spellcheck={false}
            required
            maxLength={40}
            error={tried && code.trim() === "" ? t("second.code_missing") : undefined}
          />
          <Button
            variant={asked.passkey && !recovering ? "secondary" : "primary"}
            size="large"
            wide
            type="submit"
            busy={byCode.busy}
          >
            {t("second.submit")}
          </Button>
        </form>
      )}
      <div class="row row--spread">
        <Button variant="quiet" icon="arrow-left" onClick={props.onBack}>
          {t("second.back")}
        </Button>
        {asked.recovery_code && (asked.passkey || asked.authenticator_app) && (
          <Button variant="quiet" onClick={() => switchTo(!recovering)}>
            {t(recovering ? "second.use_code" : "second.use_recovery")}
          </Button>
        )}
      </div>
      {(recovering || !asked.recovery_code) && <p class="small soft">{t("second.lost")}</p>}
    </div>
  );
}
