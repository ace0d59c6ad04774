// A link that does not lead in: says which kind of trouble it is, and what to do.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { problemMessage, type Problem } from "../../api/problem";
import { t, type Key } from "../../messages";
import { useAction } from "../../state/resource";
import { Button, Field, Icon, Notice, Page } from "../../ui";
import { testId } from "../call/testId";
import { worthRetrying, type InvitationProblem } from "./journey";

/** Null where the server's own code says it better. */
const TEXTS: Record<InvitationProblem, Key | null> = {
  malformed: "join.problem.malformed.text",
  unknown: "join.problem.unknown.text",
  used: "join.problem.used.text",
  revoked: "join.bye.refused.text",
  expired: "join.problem.expired.text",
  cancelled: "join.problem.cancelled.text",
  locked: "join.problem.locked.text",
  ended: "join.problem.ended.text",
  throttled: null,
  network: "join.problem.network.text",
  other: null,
};

/** Where a new link from the clinic is the way on. */
const ASK: ReadonlySet<InvitationProblem> = new Set(["malformed", "unknown", "used", "revoked", "expired", "cancelled", "locked"]);

/** The way on for somebody who holds the place on another device of theirs. */
function MoveHere({ onMove }: { onMove: (code: string) => Promise<void> }): JSX.Element {
  const [code, setCode] = useState("");
  const move = useAction(() => onMove(code.trim()));
  return (
    <section class="card stack" data-testid="move-here">
      <h2>{t("join.move.title")}</h2>
      <p>{t("join.move.text")}</p>
      {move.problem && <Notice kind="danger">{problemMessage(move.problem)}</Notice>}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (code.trim() !== "") void move.run();
        }}
      >
        <Field
          label={t("join.move.code")}
          value={code}
          onInput={setCode}
          inputmode="numeric"
          autocomplete="one-time-code"
          maxLength={12}
          required
        />
        <Button variant="primary" type="submit" busy={move.busy}>
          {t("join.move.submit")}
        </Button>
      </form>
    </section>
  );
}

export function ProblemPage({ problem, cause, onRetry, onMove }: {
  problem: InvitationProblem;
  cause: Problem | null;
  onRetry: () => void;
  onMove: (code: string) => Promise<void>;
}): JSX.Element {
  const text = TEXTS[problem];
  return (
    <Page
      title={t(problem === "revoked" ? "join.bye.refused.title" : `join.problem.${problem}.title`)}
      intro={text !== null ? t(text) : cause !== null ? problemMessage(cause) : t("error.INTERNAL")}
      width="narrow"
    >
      <div class="stack" data-testid="join-problem" data-problem={problem}>
        {ASK.has(problem) && (
          <p class="join__ask">
            <Icon name="info" /> <span>{t("join.problem.ask")}</span>
          </p>
        )}
        {problem === "used" && <MoveHere onMove={onMove} />}
        {worthRetrying(problem) && (
          <div class="row">
            <Button variant="primary" icon="refresh" buttonRef={testId("problem-retry")} onClick={onRetry}>
              {t("action.retry")}
            </Button>
          </div>
        )}
        {problem === "ended" && <p class="soft">{t("join.bye.close")}</p>}
        {cause?.requestId && (
          <p class="small faint">
            {t("error.request", { id: "" })}
            <span class="mono">{cause.requestId}</span>
          </p>
        )}
      </div>
    </Page>
  );
}
