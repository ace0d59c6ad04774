// Asks for the name under which the clinician sees the person waiting.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { problemMessage } from "../../api/problem";
import type { Me } from "../../api/types";
import { t } from "../../messages";
import { useAction } from "../../state/resource";
import { Button, Field, Notice, Page } from "../../ui";
import { testId } from "../call/testId";
import { Steps } from "./Steps";

/** Longer names are cut by no rule of ours but that of the field: the server has its own. */
const LONGEST_NAME = 100;

export function NameStep({ me, onNamed }: { me: Me; onNamed: (name: string) => Promise<void> }): JSX.Element {
  const [name, setName] = useState(me.name ?? "");
  const [missing, setMissing] = useState(false);
  const save = useAction(onNamed);
  const input = useRef<HTMLInputElement | null>(null);
  useEffect(() => input.current?.focus(), []);
  const submit = (): void => {
    const words = name.trim();
    setMissing(words === "");
    if (words === "") input.current?.focus();
    else void save.run(words);
  };
  return (
    <Page title={t("join.name.title")} intro={t("join.name.text", { name: me.practitioner_name })} width="slim">
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Steps step={1} />
        <Field
          label={t("join.name.field")}
          value={name}
          onInput={(value) => {
            setName(value);
            setMissing(false);
          }}
          autocomplete="name"
          required
          maxLength={LONGEST_NAME}
          spellcheck={false}
          error={missing ? t("join.name.empty") : save.problem?.field("name")}
          inputRef={(element: HTMLInputElement | null) => {
            input.current = element;
            testId("name-input")(element);
          }}
        />
        {save.problem && save.problem.field("name") === undefined && (
          <Notice kind="danger">{problemMessage(save.problem)}</Notice>
        )}
        <Button type="submit" variant="primary" size="large" wide busy={save.busy} buttonRef={testId("continue")}>
          {t("join.name.continue")}
        </Button>
      </form>
    </Page>
  );
}
