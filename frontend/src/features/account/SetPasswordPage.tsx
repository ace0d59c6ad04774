// Where an administrator's link leads: the owner of an account chooses its password. Opening the page uses nothing up.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import { t } from "../../messages";
import "../../messages/identity";
import "../../messages/staff";
import { useAction, useResource } from "../../state/resource";
import { Button, Card, Loaded, Notice, Page } from "../../ui";
import { EMPTY_PASSWORD, isReady, NewPassword } from "./NewPassword";

function Form(props: { linkId: string; secret: string; least: number; username: string; onDone: () => void }): JSX.Element {
  const [value, setValue] = useState(EMPTY_PASSWORD);
  const [tried, setTried] = useState(false);
  const { run, busy, problem } = useAction(async () => {
    await api.useAccountLink(props.linkId, props.secret, value.password);
    props.onDone();
  });
  return (
    <Card>
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (isReady(value, props.least)) void run();
        }}
      >
        {problem && problem.code !== "VALIDATION" && <Notice kind="danger">{problemMessage(problem)}</Notice>}
        <input class="quietly" type="text" name="username" autocomplete="username" value={props.username} readOnly tabIndex={-1} aria-hidden="true" />
        <NewPassword value={value} onChange={setValue} least={props.least} tried={tried} problem={problem} />
        <Button variant="primary" size="large" wide type="submit" busy={busy}>
          {t("set_password.submit")}
        </Button>
      </form>
    </Card>
  );
}

export default function SetPasswordPage({ linkId }: { linkId: string }): JSX.Element {
  const [secret] = useState(() => location.hash.slice(1));
  const [done, setDone] = useState(false);
  const opens = useResource(() => api.previewAccountLink(linkId, secret), [linkId, secret]);
  if (done) {
    return (
      <Page replaced title={t("set_password.title")} width="slim">
        <div class="stack">
          <Notice kind="success" live>
            {t("set_password.done")}
          </Notice>
          <Button variant="primary" size="large" href="/sign-in">
            {t("set_password.to_sign_in")}
          </Button>
        </div>
      </Page>
    );
  }
  const intro = opens.data ? t("set_password.intro", { name: opens.data.display_name, username: opens.data.username }) : undefined;
  return (
    <Page title={t("set_password.title")} width="slim" intro={intro}>
      {secret === "" ? (
        <Notice kind="danger">{t("set_password.malformed")}</Notice>
      ) : opens.problem && opens.problem.status >= 400 && opens.problem.status < 500 ? (
        <div class="stack">
          <Notice kind="danger">{problemMessage(opens.problem)}</Notice>
          <Button href="/sign-in">{t("set_password.to_sign_in")}</Button>
        </div>
      ) : (
        <Loaded of={opens} lines={3}>
          {(data) => (
            <Form linkId={linkId} secret={secret} least={data.least_length} username={data.username} onDone={() => setDone(true)} />
          )}
        </Loaded>
      )}
    </Page>
  );
}
