// Two fields for a new password, with what is wrong said beside them.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Problem } from "../../api/problem";
import { t } from "../../messages";
import { Checkbox, Field } from "../../ui";
import { lengthOf } from "./password-rules";

export interface NewPasswordState {
  password: string;
  again: string;
}

export const EMPTY_PASSWORD: NewPasswordState = { password: "", again: "" };

/** Whether it may be sent. */
export function isReady({ password, again }: NewPasswordState, least: number): boolean {
  return lengthOf(password) >= least && password === again;
}

export function NewPassword(props: {
  value: NewPasswordState;
  onChange: (value: NewPasswordState) => void;
  least: number;
  tried: boolean;
  problem: Problem | null;
}): JSX.Element {
  const [shown, setShown] = useState(false);
  const { value, onChange, least, tried } = props;
  const short = tried && lengthOf(value.password) < least ? t("password.too_short", { count: least }) : undefined;
  const weak = props.problem?.field("password") !== undefined ? t("password.weak") : undefined;
  const type = shown ? "text" : "password";
  return (
    <>
      <Field
        label={t("password.new")}
        hint={t("set_password.rule", { count: least })}
        name="new-password"
        type={type}
        value={value.password}
        onInput={(password) => onChange({ ...value, password })}
        autocomplete="new-password"
        spellcheck={false}
        required
        maxLength={1000}
        error={short ?? weak}
      />
      <Field
        label={t("password.again")}
        name="new-password-again"
        type={type}
        value={value.again}
        onInput={(again) => onChange({ ...value, again })}
        autocomplete="new-password"
        spellcheck={false}
        required
        maxLength={1000}
        error={tried && value.password !== value.again ? t("password.differ") : undefined}
      />
      <Checkbox label={t("sign_in.show")} checked={shown} onChange={setShown} />
    </>
  );
}
