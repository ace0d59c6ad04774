// The patient's whole way on one page: invitation, name, device check, waiting room, call, goodbye.
// Invariants: opening the page changes nothing (preview is inert), only the press on Join redeems the link; the secret is read
// from the fragment and sent in bodies alone, and stays in the fragment so that a reload works; nothing secret is stored;
// camera and microphone are off on every step but the device check, the waiting room and the call.
import type { JSX } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { api, speakAsParticipant } from "../../api/client";
import { asProblem } from "../../api/problem";
import { LocalMedia } from "../../call/local-media";
import { language, t } from "../../messages";
import "../../messages/call";
import "../../messages/join";
import "../../styles/call.css";
import "../../styles/join.css";
import { Page, PublicShell, Spinner } from "../../ui";
import { useAudioOnGesture } from "../call/hooks";
import { devicesChecked, joinedConsultation, rememberChecked, rememberJoined } from "../call/remember";
import type { Me } from "../../api/types";
import { ConsentStep } from "../consent/ConsentStep";
import { Declined } from "../consent/Declined";
import { DeviceStep } from "./DeviceStep";
import { Goodbye } from "./Goodbye";
import { InvitationStep } from "./InvitationStep";
import { LiveStep } from "./LiveStep";
import { NameStep } from "./NameStep";
import { ProblemPage } from "./ProblemPage";
import { consentStep, invitationStep, isRefusal, problemStep, REVOKED, secretOf, stepOf, type Step } from "./journey";

/** The way on: past what they are asked, if they are asked anything. */
async function onward(me: Me): Promise<Step> {
  const step = stepOf(me, devicesChecked(me.consultation_id));
  if (step.kind !== "devices" && step.kind !== "live") return step;
  return consentStep(me, await api.wantedConsents(me.consultation_id, language.peek())) ?? step;
}

/** Somebody who has redeemed the link: where they are now. */
async function resume(consultationId: string): Promise<Step> {
  return onward(await api.me(consultationId));
}

/** What the page shows first: the step that a former visit reached, else the invitation. */
async function firstStep(invitationId: string): Promise<Step> {
  const known = joinedConsultation(invitationId);
  const secret = secretOf(location.hash);
  if (known !== null) {
    try {
      return await resume(known);
    } catch (error) {
      const problem = asProblem(error);
      if (!isRefusal(problem)) return problemStep(problem);
      // Removed or turned away, or the link was replaced: with its secret the invitation itself knows better.
      if (secret === null) return REVOKED;
    }
  }
  if (secret === null) return { kind: "problem", problem: "malformed", cause: null };
  try {
    const preview = await api.previewInvitation(invitationId, secret, language.peek());
    if (preview.bound_here && known === null) {
      rememberJoined(invitationId, preview.consultation_id);
      return await resume(preview.consultation_id).catch(() => invitationStep(preview));
    }
    return invitationStep(preview);
  } catch (error) {
    const problem = asProblem(error);
    // "Used in another browser" would be wrong: it was this one, before its place was taken away.
    return known !== null && problem.code === "INVITATION_USED" ? REVOKED : problemStep(problem);
  }
}

export default function JoinPage({ invitationId }: { invitationId: string }): JSX.Element {
  const [step, setStep] = useState<Step | null>(null);
  const [round, setRound] = useState(0);
  const [checked, setChecked] = useState(false);
  const [startsAt, setStartsAt] = useState<string | null>(null);
  const media = useMemo(() => new LocalMedia(), []);
  useAudioOnGesture();
  useEffect(() => () => media.stopAll(), [media]);

  const begin = useCallback((): void => {
    setStep(null);
    void firstStep(invitationId).then(setStep);
  }, [invitationId]);
  useEffect(() => {
    speakAsParticipant(true);
    begin();
    return () => speakAsParticipant(false);
  }, [begin]);
  const tag = language.value;
  const onInvitation = step?.kind === "invitation";
  useEffect(() => {
    // The data notice is the server's: it comes anew in the language that the person has just chosen.
    const secret = secretOf(location.hash);
    if (!onInvitation || secret === null) return;
    let current = true;
    api.previewInvitation(invitationId, secret, tag).then(
      (preview) => current && setStep((now) => (now?.kind === "invitation" ? invitationStep(preview) : now)),
      () => undefined, // what is on the screen stays
    );
    return () => {
      current = false;
    };
  }, [tag]);
  const live = step?.kind === "live";
  useEffect(() => {
    // The waiting room says when it begins, also after a reload that went past the invitation.
    const secret = secretOf(location.hash);
    if (!live || secret === null) return;
    api.previewInvitation(invitationId, secret, language.peek()).then(
      (preview) => setStartsAt(preview.starts_at),
      () => undefined, // a comfort: the waiting room stands without it
    );
  }, [live, invitationId]);
  useEffect(() => {
    // The person pasted the complete link over a broken one: the browser sees that as the same page.
    window.addEventListener("hashchange", begin);
    return () => window.removeEventListener("hashchange", begin);
  }, [begin]);

  /** This browser holds a place now. */
  const taken = async (consultation: string): Promise<void> => {
    rememberJoined(invitationId, consultation);
    rememberChecked(consultation, false);
    setStep(await resume(consultation));
  };

  const join = async (code: string | null): Promise<void> => {
    const secret = secretOf(location.hash);
    if (secret === null) {
      setStep({ kind: "problem", problem: "malformed", cause: null });
      return;
    }
    try {
      await taken((await api.redeemInvitation(invitationId, secret, code)).consultation_id);
    } catch (error) {
      const cause = asProblem(error);
      // A wrong code is said beside its field.
      if (cause.code === "CODE_FAILED" || cause.code === "CODE_REQUIRED") throw cause;
      const failed = problemStep(cause);
      // No answer and the like: the button stays, the step says what happened.
      if (failed.kind === "problem" && (failed.problem === "network" || failed.problem === "throttled")) throw error;
      setStep(failed);
    }
  };

  /** On to the next page, or to the one that says why there is none. */
  const proceed = (me: Me): void => {
    void onward(me).then(setStep, (error: unknown) => setStep(problemStep(asProblem(error))));
  };

  const inShell = (content: JSX.Element): JSX.Element => <PublicShell>{content}</PublicShell>;
  if (step === null) {
    return inShell(
      <Page title={t("call.title")} heading={<span class="quietly">{t("call.title")}</span>} width="narrow">
        <Spinner label={t("join.loading")} />
      </Page>,
    );
  }
  switch (step.kind) {
    case "problem":
      return inShell(
        <ProblemPage
          key={step.problem}
          problem={step.problem}
          cause={step.cause}
          onRetry={begin}
          onMove={async (code) => {
            const secret = secretOf(location.hash);
            if (secret !== null) await taken((await api.moveInvitation(invitationId, secret, code)).consultation_id);
          }}
        />,
      );
    case "invitation":
      return inShell(<InvitationStep preview={step.preview} onJoin={join} />);
    case "name":
      return inShell(
        <NameStep
          me={step.me}
          onNamed={async (name) => {
            setStep(await onward(await api.updateMe(step.me.consultation_id, name, language.peek())));
          }}
        />,
      );
    case "consent":
      return inShell(
        <ConsentStep
          key={step.wanted.text}
          me={step.me}
          wanted={step.wanted}
          onDecided={(recorded, permitted) => {
            const me = { ...step.me, place: recorded.place };
            if (!permitted && step.wanted.required) setStep({ kind: "declined", me, wanted: step.wanted, withdrawn: false });
            else proceed(me);
          }}
        />,
      );
    case "declined":
      return inShell(
        <Declined
          me={step.me}
          withdrawn={step.withdrawn}
          onBack={() => setStep({ kind: "consent", me: step.me, wanted: step.wanted })}
        />,
      );
    case "devices":
      return inShell(
        <DeviceStep
          media={media}
          onReady={() => {
            rememberChecked(step.me.consultation_id, true);
            setChecked(true);
            setStep({ kind: "live", me: step.me });
          }}
        />,
      );
    case "live":
      return (
        <LiveStep
          key={round}
          me={step.me}
          media={media}
          open={!checked}
          startsAt={startsAt}
          onEnded={(farewell) => setStep({ kind: "goodbye", me: step.me, farewell })}
          onWithdrawn={begin}
        />
      );
    case "goodbye":
      return inShell(
        <Goodbye
          key={step.farewell}
          me={step.me}
          farewell={step.farewell}
          onReturn={() => {
            setRound((n) => n + 1);
            setChecked(false);
            // the words may have changed meanwhile
            void api.wantedConsents(step.me.consultation_id, language.peek()).then(
              (wanted) => setStep(consentStep(step.me, wanted) ?? { kind: "live", me: step.me }),
              () => setStep({ kind: "live", me: step.me }),
            );
          }}
        />,
      );
  }
}
