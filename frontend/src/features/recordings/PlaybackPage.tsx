// One recording. For its clinician: opened at once, each opening being an audited act. For an auditor: what is known about it,
// and that its content is not theirs; trying is possible, refused by the server, and audited.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { Playback, Recording, Role } from "../../api/types";
import { t } from "../../messages";
import { formatBytes, formatDate, formatDateTime, formatDuration } from "../../messages/dates";
import "../../messages/staff";
import { account } from "../../state/account";
import { useAction, useResource } from "../../state/resource";
import { Button, Card, Facts, Link, Notice, Page, ProblemNotice, Skeleton, Spinner } from "../../ui";
import { RecordingBadge } from "../consultations/StatusBadge";
import { CustodyCard } from "./CustodyCard";
import { ReviewCard } from "./ReviewCard";
import { Player } from "./Player";
import "./recordings.css";

function About({ recording, link }: { recording: Recording; link: boolean }): JSX.Element {
  const { retention } = recording;
  const consultation = <span class="digest">{recording.consultation_id}</span>;
  return (
    <Card title={t("playback.about")}>
      <Facts
        items={[
          [t("playback.fact.state"), <RecordingBadge state={recording.state} />],
          [t("playback.fact.recorded"), formatDateTime(recording.started_at ?? recording.requested_at)],
          [t("playback.fact.length"), formatDuration(recording.duration_ms)],
          [t("playback.fact.size"), formatBytes(recording.bytes)],
          [t("playback.fact.people"), recording.participants.map((one) => t(`role.${one.role}`)).join(", ") || "–"],
          [
            t("playback.fact.retention"),
            retention.due_at
              ? t("recording.kept_until", { when: formatDate(retention.due_at) })
              : t("recording.kept_open", { days: t("retention.days", { count: retention.keep_days }) }),
          ],
          [
            t("playback.fact.consultation"),
            link ? <Link href={`/consultations/${recording.consultation_id}`}>{consultation}</Link> : consultation,
          ],
          [t("playback.fact.id"), <span class="digest">{recording.id}</span>],
          [t("playback.fact.policy"), <span class="digest">{recording.policy_digest}</span>],
        ]}
      />
    </Card>
  );
}

function Denied(): JSX.Element {
  return (
    <Notice kind="warning" icon="lock" title={t("playback.denied_title")} live>
      {t("playback.denied")}
    </Notice>
  );
}

/** Opens the recording when it is shown. */
function Opened({ recording }: { recording: Recording }): JSX.Element {
  const [playback, setPlayback] = useState<Playback | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let wanted = true;
    setPlayback(null);
    setProblem(null);
    api.createPlayback(recording.id).then(
      (answer) => wanted && setPlayback(answer),
      (error: unknown) => wanted && setProblem(asProblem(error)),
    );
    return () => {
      wanted = false;
    };
  }, [recording.id, attempt]);
  const again = (): void => setAttempt((n) => n + 1);
  if (problem?.code === "FORBIDDEN") return <Denied />;
  if (problem) return <ProblemNotice problem={problem} onRetry={again} />;
  if (!playback) return <Spinner label={t("playback.preparing")} />;
  return <Player key={playback.playback_id} playback={playback} onAgain={again} />;
}

function ForAuditor({ recording }: { recording: Recording }): JSX.Element {
  const [asked, setAsked] = useState(false);
  const attempt = useAction(async () => {
    await api.createPlayback(recording.id);
    setAsked(true); // the policies in force do allow it
  });
  if (asked) return <Opened recording={recording} />;
  if (attempt.problem?.code === "FORBIDDEN") return <Denied />;
  return (
    <Notice icon="lock" title={t("playback.auditor_title")}>
      <p>{t("playback.auditor")}</p>
      {attempt.problem && <ProblemNotice problem={attempt.problem} />}
      <Button icon="play" busy={attempt.busy} onClick={() => void attempt.run()}>
        {t("playback.auditor_try")}
      </Button>
    </Notice>
  );
}

/** What a records officer sees before a grant: with one, the recording itself. */
function ForOfficer({ recording }: { recording: Recording }): JSX.Element {
  const [opened, setOpened] = useState(false);
  if (opened) return <Opened recording={recording} />;
  return (
    <Notice icon="lock" title={t("playback.custodian_title")}>
      <p>{t("playback.custodian")}</p>
      <Button icon="play" onClick={() => setOpened(true)}>
        {t("recordings.play")}
      </Button>
    </Notice>
  );
}

function content(recording: Recording, role: Role | undefined): ComponentChildren {
  switch (recording.state) {
    case "sealed":
      if (recording.withdrawn === "keep_until_review") {
        return role === "records_officer" ? null : (
          <Notice icon="lock" title={t("withdrawal.title")}>
            {t("error.CONSENT_WITHDRAWN")}
          </Notice>
        );
      }
      if (role === "auditor") return <ForAuditor recording={recording} />;
      if (role === "records_officer") return <ForOfficer recording={recording} />;
      return <Opened recording={recording} />;
    case "destroyed":
      return (
        <Notice icon="lock" title={t("recording.state.destroyed")}>
          {t("playback.destroyed")}
        </Notice>
      );
    case "refused":
      return <Notice title={t("recording.state.refused")}>{t("playback.refused")}</Notice>;
    default:
      return (
        <Notice icon="clock" title={t("playback.not_ready_title")}>
          {t("playback.not_ready", { state: t(`recording.state.${recording.state}`) })}
        </Notice>
      );
  }
}

const SEALING_MS = 3000; // while it is not sealed yet, look again

export default function PlaybackPage({ recordingId }: { recordingId: string }): JSX.Element {
  const role = account()?.role;
  const [settled, setSettled] = useState(false);
  const { data, problem, reload } = useResource(
    (signal) => api.recording(recordingId, signal),
    [recordingId],
    settled ? {} : { every: SEALING_MS },
  );
  useEffect(() => {
    setSettled(problem !== null || (data !== null && ["sealed", "destroyed", "refused"].includes(data.state)));
  }, [data, problem]);
  const title = data
    ? t("playback.title", { when: formatDateTime(data.started_at ?? data.requested_at) })
    : t("playback.title_plain");
  return (
    <Page title={title} back={{ href: "/recordings", label: t("playback.back") }}>
      {problem ? (
        <ProblemNotice problem={problem} onRetry={reload} />
      ) : data ? (
        <div class="recording-layout">
          <div class="stack">
            {content(data, role)}
            {role === "records_officer" && data.state === "sealed" && data.withdrawn === "keep_until_review" && (
              <ReviewCard recordingId={recordingId} onDone={reload} />
            )}
            {role === "records_officer" && <CustodyCard recordingId={recordingId} />}
          </div>
          <About recording={data} link={role === "clinician"} />
        </div>
      ) : (
        <Skeleton lines={6} />
      )}
    </Page>
  );
}
