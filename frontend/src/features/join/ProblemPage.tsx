// A link that does not lead in: says which kind of trouble it is, and what to do.
import type { JSX } from "preact";
import { problemMessage, type Problem } from "../../api/problem";
import { t, type Key } from "../../messages";
import { Button, Icon, Page } from "../../ui";
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
  ended: "join.problem.ended.text",
  throttled: null,
  network: "join.problem.network.text",
  other: null,
};

/** Where a new link from the clinic is the way on. */
const ASK: ReadonlySet<InvitationProblem> = new Set(["malformed", "unknown", "used", "revoked", "expired", "cancelled"]);

export function ProblemPage({ problem, cause, onRetry }: {
  problem: InvitationProblem;
  cause: Problem | null;
  onRetry: () => void;
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
