// A records officer's side of a recording: legal holds, and who else may watch it for a while.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { t } from "../../messages";
import { formatMomentInline } from "../../messages/dates";
import "../../messages/identity";
import { withProof } from "../../state/proof";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Card, Confirm, Dialog, Field, Loaded, ProblemNotice, toast } from "../../ui";

type Open = { kind: "hold" } | { kind: "grant" } | { kind: "release"; hold: string } | null;

function PlaceHold({ recordingId, onDone, onClose }: { recordingId: string; onDone: () => void; onClose: () => void }): JSX.Element {
  const [reason, setReason] = useState("");
  const { run, busy, problem } = useAction(async () => {
    await api.placeHold(recordingId, reason.trim());
    toast(t("custody.hold_done"));
    onDone();
  });
  return (
    <Dialog
      title={t("custody.hold_place")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={() => void run()}>
            {t("custody.hold_place")}
          </Button>
        </>
      }
    >
      <Field
        label={t("custody.reason")}
        hint={t("custody.reason_hint")}
        value={reason}
        onInput={setReason}
        required
        maxLength={300}
        error={problem?.field("reason") && t("custody.reason_hint")}
      />
      {problem && problem.code !== "VALIDATION" && <ProblemNotice problem={problem} />}
    </Dialog>
  );
}

function Grant({ recordingId, onDone, onClose }: { recordingId: string; onDone: () => void; onClose: () => void }): JSX.Element {
  const [username, setUsername] = useState("");
  const [hours, setHours] = useState("24");
  const [reason, setReason] = useState("");
  const { run, busy, problem } = useAction(async () => {
    await withProof(() => api.grantPlayback(recordingId, username.trim(), Number.parseInt(hours, 10) || 0, reason.trim()));
    toast(t("custody.grant_done"));
    onDone();
  });
  return (
    <Dialog
      title={t("custody.grant")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("action.cancel")}</Button>
          <Button variant="primary" busy={busy} onClick={() => void run()}>
            {t("custody.grant")}
          </Button>
        </>
      }
    >
      <Field label={t("custody.grant_to")} value={username} onInput={setUsername} spellcheck={false} required maxLength={64} />
      <Field
        label={t("custody.grant_hours")}
        value={hours}
        onInput={setHours}
        inputmode="numeric"
        required
        maxLength={3}
        error={problem?.field("hours") && "1–720"}
      />
      <Field
        label={t("custody.reason")}
        hint={t("custody.reason_hint")}
        value={reason}
        onInput={setReason}
        required
        maxLength={300}
        error={problem?.field("reason") && t("custody.reason_hint")}
      />
      {problem && problem.code !== "VALIDATION" && <ProblemNotice problem={problem} />}
    </Dialog>
  );
}

export function CustodyCard({ recordingId }: { recordingId: string }): JSX.Element {
  const custody = useResource((signal) => api.custody(recordingId, signal), [recordingId]);
  const [open, setOpen] = useState<Open>(null);
  const done = (): void => {
    setOpen(null);
    custody.reload();
  };
  const release = useAction(async (hold: string) => {
    await api.releaseHold(recordingId, hold);
    toast(t("custody.released"));
    done();
  });
  const end = useAction(async (grant: string) => {
    await withProof(() => api.endGrant(recordingId, grant));
    toast(t("custody.grant_ended"));
    done();
  });
  const now = Date.now();
  return (
    <Card title={t("custody.title")} intro={t("custody.intro")}>
      {end.problem && <ProblemNotice problem={end.problem} />}
      <Loaded of={custody} lines={3}>
        {(data) => (
          <div class="stack">
            <div class="row row--spread">
              <h3>{t("custody.holds")}</h3>
              <Button icon="lock" onClick={() => setOpen({ kind: "hold" })}>
                {t("custody.hold_place")}
              </Button>
            </div>
            {data.holds.length === 0 && <p class="soft">{t("custody.holds_none")}</p>}
            <ul class="plain-list">
              {data.holds.map((hold) => (
                <li key={hold.id}>
                  <div class="plain-list__main">
                    <strong>{hold.reason}</strong>
                    <span class="soft small">
                      {t("custody.hold_line", { name: hold.placed_by, when: formatMomentInline(hold.placed_at) })}
                      {hold.released_at && ` · ${t("custody.hold_released", { when: formatMomentInline(hold.released_at) })}`}
                    </span>
                  </div>
                  {!hold.released_at && (
                    <Button variant="danger-quiet" onClick={() => setOpen({ kind: "release", hold: hold.id })}>
                      {t("custody.hold_release")}
                    </Button>
                  )}
                </li>
              ))}
            </ul>
            <div class="row row--spread">
              <h3>{t("custody.grants")}</h3>
              <Button icon="play" onClick={() => setOpen({ kind: "grant" })}>
                {t("custody.grant")}
              </Button>
            </div>
            {data.grants.length === 0 && <p class="soft">{t("custody.grants_none")}</p>}
            <ul class="plain-list">
              {data.grants.map((grant) => {
                const over = grant.ended_at !== null || new Date(grant.expires_at).getTime() <= now;
                return (
                  <li key={grant.id}>
                    <div class="plain-list__main">
                      <strong>{grant.account_name}</strong>
                      <span class="soft small">
                        {grant.reason} · {t("custody.grant_until", { when: formatMomentInline(grant.expires_at) })}
                      </span>
                    </div>
                    {over ? (
                      <Badge kind="neutral">{t("custody.grant_over")}</Badge>
                    ) : (
                      <Button variant="danger-quiet" busy={end.busy} onClick={() => void end.run(grant.id)}>
                        {t("custody.grant_end")}
                      </Button>
                    )}
                  </li>
                );
              })}
            </ul>
          </div>
        )}
      </Loaded>
      {open?.kind === "hold" && <PlaceHold recordingId={recordingId} onDone={done} onClose={() => setOpen(null)} />}
      {open?.kind === "grant" && <Grant recordingId={recordingId} onDone={done} onClose={() => setOpen(null)} />}
      {open?.kind === "release" && (
        <Confirm
          title={t("custody.release_title")}
          confirmLabel={t("custody.hold_release")}
          danger
          busy={release.busy}
          problem={release.problem}
          onConfirm={() => void release.run(open.hold)}
          onClose={() => setOpen(null)}
        >
          <p>{t("custody.release_text")}</p>
        </Confirm>
      )}
    </Card>
  );
}
