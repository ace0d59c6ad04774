// The clinician's way into a consultation: a compact device check, the call with what only the clinician may do, and what
// comes after. Invariant: leaving this page, however it happens, leaves the call and releases camera and microphone; a reload
// is no leaving and comes straight back.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, problemMessage, type Problem } from "../../api/problem";
import type { Consultation } from "../../api/types";
import { LocalMedia } from "../../call/local-media";
import type { Ending } from "../../call/model";
import type { Participant } from "../../call/protocol";
import type { CallSession } from "../../call/session";
import { chimeArrival, wakeAudio } from "../../call/sound";
import { waiting } from "../../call/view";
import { t, type Key } from "../../messages";
import "../../messages/call";
import { useAction, useResource } from "../../state/resource";
import "../../styles/call.css";
import { announce, Button, Checkbox, Loaded, Notice, Page, Spinner, StaffShell, toast } from "../../ui";
import { Ask } from "./Ask";
import { CallView } from "./CallView";
import { DevicePickers } from "./DevicePickers";
import { DeviceTrouble, troubleOf } from "./DeviceTrouble";
import { Preview } from "./Preview";
import type { PeopleActions } from "./PeoplePanel";
import { DeclinedNotice } from "../consent/DeclinedNotice";
import { WaitingNotice } from "./WaitingNotice";
import { makeSession } from "./connect";
import { useAudioOnGesture, useCallState, useEffects, useLocalView, useOnline } from "./hooks";
import { goStraightIn, inCallHere, rememberInCall, rememberStraightIn } from "./remember";
import { testId } from "./testId";

function Check({ consultation, media, onJoin }: {
  consultation: Consultation;
  media: LocalMedia;
  onJoin: () => Promise<void>;
}): JSX.Element {
  const view = useLocalView(media);
  const [straight, setStraight] = useState(goStraightIn());
  const join = useAction(onJoin);
  const trouble = troubleOf(view);
  useEffect(() => {
    void media.openAll();
  }, [media]);
  return (
    <Page
      title={t("call.staff.title")}
      intro={consultation.patient ? t("call.staff.with", { name: consultation.patient.name }) : undefined}
      back={{ href: `/consultations/${consultation.id}`, label: t("call.staff.back") }}
      width="narrow"
    >
      <div class="stack" data-testid="staff-check">
        {consultation.waiting > 0 && <Notice icon="people">{t("call.staff.waiting", { count: consultation.waiting })}</Notice>}
        <div class="check-grid">
          <Preview media={media} view={view} />
          <DevicePickers media={media} view={view} />
        </div>
        {trouble && <DeviceTrouble trouble={trouble} onRetry={() => void media.retry()} />}
        <Checkbox
          label={t("call.staff.remember")}
          checked={straight}
          onChange={(checked) => {
            setStraight(checked);
            rememberStraightIn(checked);
          }}
        />
        {join.problem && <Notice kind="danger">{problemMessage(join.problem)}</Notice>}
        <div class="row">
          <Button
            variant="primary"
            size="large"
            busy={join.busy}
            buttonRef={testId("staff-join")}
            onClick={() => {
              wakeAudio();
              void join.run();
            }}
          >
            {consultation.status === "planned" ? t("call.staff.start") : t("call.staff.join")}
          </Button>
        </div>
      </div>
    </Page>
  );
}

const AFTERWARDS: Record<Ending, { title: Key; text: Key; again: Key | null }> = {
  left: { title: "call.staff.left.title", text: "call.staff.left.text", again: "call.staff.rejoin" },
  removed: { title: "call.staff.removed.title", text: "call.staff.removed.text", again: null },
  turned_away: { title: "call.staff.removed.title", text: "call.staff.removed.text", again: null },
  replaced: { title: "call.staff.replaced.title", text: "call.staff.replaced.text", again: "call.staff.use_here" },
  consultation_ended: { title: "call.staff.ended.title", text: "call.staff.ended.text", again: null },
  consultation_cancelled: { title: "call.staff.over.title", text: "call.staff.over.text", again: null },
  refused: { title: "call.staff.refused.title", text: "call.staff.refused.text", again: "call.staff.rejoin" },
  fault: { title: "call.staff.fault.title", text: "call.staff.fault.text", again: "call.staff.rejoin" },
};

function Afterwards({ ending, consultationId, onAgain }: {
  ending: Ending;
  consultationId: string;
  onAgain: () => void;
}): JSX.Element {
  const words = AFTERWARDS[ending];
  return (
    <Page title={t(words.title)} intro={t(words.text)} width="narrow">
      <div class="row" data-testid="goodbye" data-ending={ending}>
        {words.again && (
          <Button variant="primary" buttonRef={testId("rejoin")} onClick={onAgain}>
            {t(words.again)}
          </Button>
        )}
        <Button href={`/consultations/${consultationId}`} icon="arrow-left">
          {t("call.staff.back")}
        </Button>
      </div>
    </Page>
  );
}

type Asked = { kind: "turn-away" | "remove"; person: Participant };

function StaffCall({ session, consultationId }: { session: CallSession; consultationId: string }): JSX.Element {
  const state = useCallState(session);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [busy, setBusy] = useState<string | null>(null);
  const [silenced, setSilenced] = useState(false);
  useEffects(session, (effect) => {
    if (effect.kind !== "arrival") return;
    setSilenced(!chimeArrival());
    announce(
      effect.people.length === 1
        ? t("call.waiting.one", { name: effect.people[0]?.name ?? "" })
        : t("call.waiting.many", { count: effect.people.length }),
    );
  });
  const admit = async (person: Participant): Promise<void> => {
    if (busy === person.id) return;
    setBusy(person.id);
    try {
      await api.admit(consultationId, person.id);
    } catch (error) {
      toast(problemMessage(asProblem(error)));
    } finally {
      setBusy(null);
    }
  };
  const confirm = useAction(async ({ kind, person }: Asked) => {
    await (kind === "remove" ? api.remove(consultationId, person.id) : api.turnAway(consultationId, person.id));
    setAsked(null);
  });
  const actions: PeopleActions = {
    admit: (person) => void admit(person),
    turnAway: (person) => setAsked({ kind: "turn-away", person }),
    remove: (person) => setAsked({ kind: "remove", person }),
    busy,
  };
  if (state.snapshot === null && state.signaling.failures === 0) {
    return (
      <main id="content" tabIndex={-1} class="call call--opening" data-testid="call" data-connection="connecting">
        <h1 class="quietly">{t("call.title")}</h1>
        <Spinner label={t("call.starting")} />
      </main>
    );
  }
  return (
    <>
      <CallView
        session={session}
        consultationId={consultationId}
        onLeave={() => session.leave()}
        staff={{
          actions,
          invitePage: `/consultations/${consultationId}`,
          onEnd: async () => {
            await api.endConsultation(consultationId);
            session.dispatch({ type: "signaling_closed", code: 4410 });
          },
          notice: (
            <>
              <WaitingNotice queue={waiting(state)} silenced={silenced} actions={actions} />
              <DeclinedNotice people={state.snapshot?.declined ?? []} />
            </>
          ),
        }}
      />
      {asked && (
        <Ask
          id={asked.kind === "remove" ? "remove-question" : "turn-away-question"}
          title={t(asked.kind === "remove" ? "call.remove.title" : "call.turn_away.title", { name: asked.person.name })}
          text={t(asked.kind === "remove" ? "call.remove.text" : "call.turn_away.text")}
          yes={t(asked.kind === "remove" ? "call.remove.confirm" : "call.turn_away.confirm")}
          busy={confirm.busy}
          problem={confirm.problem}
          onYes={() => void confirm.run(asked)}
          onClose={() => {
            confirm.clear();
            setAsked(null);
          }}
        />
      )}
    </>
  );
}

/** From the press on Join to the end: owns the session. */
function Live({ consultationId, media, onEnded }: {
  consultationId: string;
  media: LocalMedia;
  onEnded: (ending: Ending) => void;
}): JSX.Element {
  const [session, setSession] = useState<CallSession | null>(null);
  const ended = useRef(onEnded);
  ended.current = onEnded;
  useEffect(() => {
    let current: CallSession | null = null;
    let gone = false;
    void media.openAll();
    void makeSession(consultationId, media).then((made) => {
      if (gone) {
        made.dispose();
        return;
      }
      current = made;
      made.subscribe(() => {
        if (made.state.ending !== null) ended.current(made.state.ending);
      });
      setSession(made);
    });
    return () => {
      gone = true;
      if (current === null) media.stopAll();
      else if (current.state.ending === null) current.leave();
      current?.dispose();
    };
  }, [consultationId, media]);
  if (session === null) return <Spinner label={t("call.starting")} />;
  return <Connected session={session} consultationId={consultationId} />;
}

function Connected({ session, consultationId }: { session: CallSession; consultationId: string }): JSX.Element {
  useOnline(session);
  // Effects of children run first: whoever listens below hears the very first snapshot.
  useEffect(() => session.start(), [session]);
  return <StaffCall session={session} consultationId={consultationId} />;
}

type Step = { kind: "check" } | { kind: "live"; round: number } | { kind: "after"; ending: Ending };

function Consulting({ consultation }: { consultation: Consultation }): JSX.Element {
  const media = useMemo(() => new LocalMedia(), []);
  const { id } = consultation;
  const direct = inCallHere(id) || (goStraightIn() && consultation.status === "in_progress");
  const [step, setStep] = useState<Step>(direct ? { kind: "live", round: 0 } : { kind: "check" });
  useAudioOnGesture();
  useEffect(() => () => media.stopAll(), [media]);
  const join = async (): Promise<void> => {
    if (consultation.status === "planned") {
      await api.startConsultation(id).catch((error: unknown) => {
        // It may have been started in another tab meanwhile; the join ticket decides.
        if (asProblem(error).code !== "CONFLICT") throw error;
      });
    }
    rememberInCall(id, true);
    setStep({ kind: "live", round: Date.now() });
  };
  const inShell = (content: JSX.Element): JSX.Element => <StaffShell>{content}</StaffShell>;
  switch (step.kind) {
    case "check":
      return inShell(<Check consultation={consultation} media={media} onJoin={join} />);
    case "live":
      return (
        <Live
          key={step.round}
          consultationId={id}
          media={media}
          onEnded={(ending) => {
            rememberInCall(id, false);
            setStep({ kind: "after", ending });
          }}
        />
      );
    case "after":
      return inShell(
        <Afterwards
          ending={step.ending}
          consultationId={id}
          onAgain={() => {
            rememberInCall(id, true);
            setStep({ kind: "live", round: Date.now() });
          }}
        />,
      );
  }
}

export default function StaffCallPage({ consultationId }: { consultationId: string }): JSX.Element {
  const resource = useResource((signal) => api.consultation(consultationId, signal), [consultationId]);
  const { data } = resource;
  const problem: Problem | null = resource.problem;
  if (data === null || problem !== null) {
    return (
      <StaffShell>
        <Page title={t("call.staff.title")} width="narrow" back={{ href: "/consultations", label: t("nav.consultations") }}>
          <Loaded of={resource}>{() => null}</Loaded>
        </Page>
      </StaffShell>
    );
  }
  if (data.status === "completed" || data.status === "cancelled") {
    rememberInCall(consultationId, false);
    return (
      <StaffShell>
        <Page title={t("call.staff.over.title")} intro={t("call.staff.over.text")} width="narrow">
          <div class="row" data-testid="consultation-over">
            <Button variant="primary" icon="arrow-left" href={`/consultations/${consultationId}`}>
              {t("call.staff.back")}
            </Button>
          </div>
        </Page>
      </StaffShell>
    );
  }
  return <Consulting consultation={data} />;
}
