// How the staff get in. The page says why a person is asked again, and leads back to where they were.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { passkeysWork, showPasskey } from "../../api/passkeys";
import { problemMessage, problemNamed } from "../../api/problem";
import type { Account, SecondFactorAsked } from "../../api/types";
import { t } from "../../messages";
import "../../messages/identity";
import "../../messages/staff";
import { currentLocation, navigate, safeReturnPath } from "../../router";
import { signedIn } from "../../state/account";
import { config } from "../../state/config";
import { focusFirstError } from "../../state/forms";
import { useAction } from "../../state/resource";
import { Button, Checkbox, Field, Notice, ThemeSwitch, useHeadingFocus, useTitle } from "../../ui";
import { SecondFactor } from "./SecondFactor";
import "./sign-in.css";

const search = (): URLSearchParams => new URLSearchParams(currentLocation.peek().search);
const returnPath = (): string => safeReturnPath(search().get("return"));

/** What a second factor was asked for on the way back from an identity provider. */
function askedByAddress(): SecondFactorAsked | null {
  const ways = search().get("second-factor");
  if (ways === null) return null;
  const all = ways.split(".");
  return { passkey: all.includes("passkey"), authenticator_app: all.includes("app"), recovery_code: all.includes("recovery") };
}

function Reason(): JSX.Element | null {
  const problem = problemNamed(search().get("problem"));
  if (problem) return <Notice kind="danger">{problemMessage(problem)}</Notice>;
  switch (new URLSearchParams(currentLocation.value.search).get("reason")) {
    case "expired":
      return <Notice kind="warning" icon="clock" live>{t("sign_in.expired")}</Notice>;
    case "signed-out":
      return <Notice kind="success" live>{t("sign_in.signed_out")}</Notice>;
    default:
      return null;
  }
}

/** Two arcs, one sheltering the other: the mark, drawn large. */
function Drawing(): JSX.Element {
  return (
    <svg class="sign-in__drawing" viewBox="0 0 400 300" aria-hidden="true" focusable="false" fill="none">
      <path class="sign-in__arc sign-in__arc--far" d="M-40 300C-40 150 70 30 200 30s240 120 240 270" />
      <path class="sign-in__arc sign-in__arc--outer" d="M60 300c0-82 62-148 140-148s140 66 140 148" />
      <path class="sign-in__arc sign-in__arc--inner" d="M140 300c0-36 26-66 60-66s60 30 60 66" />
      <circle class="sign-in__dot" cx="200" cy="92" r="17" />
    </svg>
  );
}

/** The other ways in: a passkey alone, and the clinic's identity providers. */
function OtherWays({ onDone }: { onDone: (who: Account) => void }): JSX.Element | null {
  const byPasskey = useAction(async () => {
    onDone(await api.signInWithPasskey(await showPasskey(await api.askPasskey())));
  });
  const away = useAction(async (provider: string) => {
    window.location.assign((await api.visitProvider(provider, returnPath())).address);
  });
  const providers = config.value?.providers ?? [];
  const passkeys = config.value?.passkeys === true && passkeysWork();
  if (!passkeys && providers.length === 0) return null;
  const problem = byPasskey.problem ?? away.problem;
  return (
    <div class="stack">
      <p class="sign-in__or">{t("sign_in.or")}</p>
      {problem && <Notice kind="danger">{problemMessage(problem)}</Notice>}
      {passkeys && (
        <Button wide icon="lock" busy={byPasskey.busy} onClick={() => void byPasskey.run()}>
          {t("sign_in.passkey")}
        </Button>
      )}
      {providers.map((provider) => (
        <Button key={provider.id} wide icon="person" busy={away.busy} onClick={() => void away.run(provider.id)}>
          {t("sign_in.provider", { name: provider.name })}
        </Button>
      ))}
    </div>
  );
}

function PasswordForm(props: { onDone: (who: Account) => void; onAsked: (asked: SecondFactorAsked) => void }): JSX.Element {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [tried, setTried] = useState(false);
  const heading = useHeadingFocus();
  useTitle(t("sign_in.title"));
  const { run, busy, problem } = useAction(async () => {
    const answer = await api.signIn(username.trim(), password);
    if ("asked" in answer) props.onAsked(answer.asked);
    else props.onDone(answer.account);
  });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setTried(true);
    if (username.trim() === "" || password === "") focusFirstError(event.currentTarget as HTMLFormElement);
    else void run();
  };
  return (
    <div class="sign-in__form stack">
      <form class="stack" onSubmit={submit} noValidate>
        <div class="stack stack--tight">
          <h1 ref={heading} tabIndex={-1}>
            {t("sign_in.title")}
          </h1>
          <p class="soft">{t("sign_in.intro")}</p>
        </div>
        {problem ? <Notice kind="danger">{problemMessage(problem)}</Notice> : <Reason />}
        <Field
          label={t("sign_in.username")}
          name="username"
          value={username}
          onInput={setUsername}
          autocomplete="username"
          spellcheck={false}
          required
          maxLength={200}
          error={tried && username.trim() === "" ? t("sign_in.username_missing") : undefined}
        />
        <Field
          label={t("sign_in.password")}
          name="password"
          type={shown ? "text" : "password"}
          value={password}
          onInput={setPassword}
          autocomplete="current-password"
          spellcheck={false}
          required
          maxLength={1000}
          error={tried && password === "" ? t("sign_in.password_missing") : undefined}
        />
        <Checkbox label={t("sign_in.show")} checked={shown} onChange={setShown} />
        <Button variant="primary" size="large" wide type="submit" busy={busy}>
          {t("sign_in.submit")}
        </Button>
      </form>
      <OtherWays onDone={props.onDone} />
      <div class="sign-in__theme">
        <ThemeSwitch />
      </div>
    </div>
  );
}

export default function SignInPage(): JSX.Element {
  const [asked, setAsked] = useState<SecondFactorAsked | null>(askedByAddress);
  const done = (who: Account): void => {
    signedIn(who);
    navigate(returnPath(), { replace: true });
  };
  return (
    <main id="content" tabIndex={-1} class="sign-in">
      <aside class="sign-in__aside" aria-hidden="true">
        <p class="sign-in__motto">{t("sign_in.motto")}</p>
        <p class="sign-in__text">{t("sign_in.motto_text")}</p>
        <Drawing />
      </aside>
      <div class="sign-in__main">
        {asked ? (
          <SecondFactor asked={asked} onDone={done} onBack={() => setAsked(null)} />
        ) : (
          <PasswordForm onDone={done} onAsked={setAsked} />
        )}
      </div>
    </main>
  );
}
