// Where one is signed in, and ending what one does not know.
import type { JSX } from "preact";
import { api } from "../../api/client";
import { t } from "../../messages";
import { formatMomentInline } from "../../messages/dates";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Card, Loaded, ProblemNotice, toast } from "../../ui";

export function Sessions(): JSX.Element {
  const sessions = useResource((signal) => api.signInSessions(signal), []);
  const end = useAction(async (session: string | null) => {
    await (session === null ? api.endOtherSessions() : api.endSignInSession(session));
    toast(t("account.session_ended"));
    sessions.reload();
  });
  return (
    <Card
      title={t("account.sessions")}
      actions={
        (sessions.data?.length ?? 0) > 1 && (
          <Button variant="danger-quiet" busy={end.busy} onClick={() => void end.run(null)}>
            {t("account.session_end_all")}
          </Button>
        )
      }
    >
      {end.problem && <ProblemNotice problem={end.problem} />}
      <Loaded of={sessions} lines={2}>
        {(all) => (
          <ul class="plain-list" data-testid="sessions">
            {all.map((session) => (
              <li key={session.id}>
                <div class="plain-list__main">
                  <strong>
                    {session.client} {session.current && <Badge kind="brand">{t("account.session_here")}</Badge>}
                  </strong>
                  <span class="soft small">
                    {[
                      session.network,
                      t(`account.method.${session.method}`) + (session.assurance === "multiple" ? ` (${t("account.strong")})` : ""),
                      t("account.session_since", { when: formatMomentInline(session.created_at) }),
                      t("account.session_used", { when: formatMomentInline(session.last_used_at) }),
                    ].join(" · ")}
                  </span>
                </div>
                {!session.current && (
                  <Button busy={end.busy} onClick={() => void end.run(session.id)}>
                    {t("account.session_end")}
                    <span class="quietly">({session.client})</span>
                  </Button>
                )}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  );
}
