// What a person is told when the server shows another log than the one their browser saw before.
import type { JSX } from "preact";
import { t } from "../messages";
import { contradiction, startOver } from "../state/witness";
import { Button } from "./Button";
import { Notice } from "./Notice";

export function ContradictionNotice(): JSX.Element | null {
  const found = contradiction.value;
  if (!found) return null;
  return (
    <aside class="contradiction" aria-label={t("witness.title")}>
      <Notice kind="danger" icon="shield-alert" title={t("witness.title")}>
        <p>{t(`witness.${found}`)}</p>
        <p>{t("witness.what_now")}</p>
        <Button onClick={() => void startOver()}>{t("witness.start_over")}</Button>
      </Notice>
    </aside>
  );
}
