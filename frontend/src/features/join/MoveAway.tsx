// A code with which somebody goes on with the visit on another device of theirs.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import { t } from "../../messages";
import { formatTime } from "../../messages/dates";
import "../../messages/join";
import { useAction } from "../../state/resource";
import { Button, Notice } from "../../ui";
import { testId } from "../call/testId";

export function MoveAway({ consultationId }: { consultationId: string }): JSX.Element {
  const [made, setMade] = useState<{ code: string; expires_at: string } | null>(null);
  const make = useAction(async () => setMade(await api.deviceCode(consultationId)));
  return (
    <div class="stack stack--tight">
      {make.problem && <Notice kind="danger">{problemMessage(make.problem)}</Notice>}
      {made ? (
        <div class="move-away" role="status" data-testid="device-code">
          <p class="move-away__digits numbers">{made.code}</p>
          <p class="small">{t("join.move.show", { time: formatTime(made.expires_at) })}</p>
        </div>
      ) : (
        <div class="row">
          <Button variant="quiet" icon="screen" busy={make.busy} buttonRef={testId("move-away")} onClick={() => void make.run()}>
            {t("join.move.make")}
          </Button>
        </div>
      )}
    </div>
  );
}
