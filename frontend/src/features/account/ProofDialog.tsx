// Asks somebody who is signed in to show again that it is them. Stands once beside the staff's pages; `withProof` opens it.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { passkeysWork, showPasskey } from "../../api/passkeys";
import { problemMessage } from "../../api/problem";
import { t } from "../../messages";
import "../../messages/identity";
import { currentLocation } from "../../router";
import { account } from "../../state/account";
import { config } from "../../state/config";
import { proofAsked } from "../../state/proof";
import { useAction } from "../../state/resource";
import { Button, Dialog, Field, Notice } from "../../ui";

function Ask({ answer }: { answer: (proved: boolean) => void }): JSX.Element {
  const [password, setPassword] = useState("");
  const byPassword = useAction(async () => {
    await api.proveByPassword(password);
    answer(true);
  });
  const byPasskey = useAction(async () => {
    await api.proveByPasskey(await showPasskey(await api.askProof()));
    answer(true);
  });
  const there = useAction(async () => {
    window.location.assign((await api.proveAtProvider(currentLocation.peek().path)).address);
  });
  const problem = byPassword.problem ?? byPasskey.problem ?? there.problem;
  const provider = account()?.method === "provider";
  return (
    <Dialog
      title={t("proof.title")}
      onClose={() => answer(false)}
      actions={
        <>
          <Button onClick={() => answer(false)}>{t("action.cancel")}</Button>
          {!provider && (
            <Button variant="primary" busy={byPassword.busy} onClick={() => void byPassword.run()}>
              {t("proof.submit")}
            </Button>
          )}
        </>
      }
    >
      <p>{t("proof.text")}</p>
      {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      {provider ? (
        <Button variant="primary" wide icon="person" busy={there.busy} onClick={() => void there.run()}>
          {t("proof.provider")}
        </Button>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void byPassword.run();
          }}
        >
          <Field
            label={t("proof.password")}
            name="password"
            type="password"
            value={password}
            onInput={setPassword}
            autocomplete="current-password"
            autofocus
            maxLength={1000}
          />
        </form>
      )}
      {config.value?.passkeys === true && passkeysWork() && (
        <Button wide icon="lock" busy={byPasskey.busy} onClick={() => void byPasskey.run()}>
          {t("proof.passkey")}
        </Button>
      )}
    </Dialog>
  );
}

export function ProofDialog(): JSX.Element | null {
  const answer = proofAsked.value;
  return answer ? <Ask answer={answer} /> : null;
}
