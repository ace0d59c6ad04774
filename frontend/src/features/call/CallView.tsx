// The call as everybody in it sees it: stage, controls, panels, recording sign, consent question. The staff's page hands in
// what only the clinician may do.
import type { ComponentChildren, JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api } from "../../api/client";
import { problemMessage } from "../../api/problem";
import type { Effect } from "../../call/model";
import type { CallSession } from "../../call/session";
import { wakeAudio } from "../../call/sound";
import { connection, mayRecord, myName, noRecording, others, waiting } from "../../call/view";
import { t } from "../../messages";
import { useAction } from "../../state/resource";
import { announce, Button, toast, useTitle } from "../../ui";
import { Ask } from "./Ask";
import { Banner, ConnectionBanner } from "./Banners";
import { ChatPanel } from "./ChatPanel";
import { CallConsent } from "../consent/CallConsent";
import { withdraw as withdrawConsent } from "../consent/signing";
import { AskToRecord } from "../consent/AskToRecord";
import { MyConsents } from "../consent/MyConsents";
import type { Capability } from "../../api/types";
import { ControlBar, type Panel } from "./ControlBar";
import { PeoplePanel, type PeopleActions } from "./PeoplePanel";
import { RecordingBar, RecordingOutcome } from "./RecordingBar";
import { RemoteAudio } from "./RemoteAudio";
import { SettingsPanel } from "./SettingsPanel";
import { Tiles } from "./Tiles";
import { useCallState, useEffects, useLocalView, useScreenAwake, useSilentMicrophone } from "./hooks";
import { useShortcuts } from "./shortcuts";
import { testId } from "./testId";

/** A microphone that delivers nothing for so long after it was opened is worth a word. */
const SILENT_IN_CALL_MS = 30_000;

export interface CallViewProps {
  session: CallSession;
  consultationId: string;
  onLeave: () => void;
  /** Somebody invited withdrew what care by video needs. */
  onWithdrawn?: () => void;
  /** What one may do, where that is not everything. */
  capabilities?: readonly Capability[];
  /** What only the clinician has. */
  staff?: {
    actions: PeopleActions;
    invitePage: string;
    onEnd: () => Promise<void>;
    /** Above the stage: who waits. */
    notice: ComponentChildren;
  };
}

type Question = "leave" | "end" | "record";

/** Words for what happens to others, for people who do not see it. */
function tell(effect: Effect, chatVisible: boolean): void {
  switch (effect.kind) {
    case "entered":
      announce(t("call.entered", { name: effect.name }));
      break;
    case "went":
      announce(t("call.went", { name: effect.name }));
      break;
    case "chat_arrived":
      if (!chatVisible) announce(t("call.chat.arrived", { name: effect.name, text: effect.text }));
      break;
    case "recording":
      // An outcome has a notice of its own, which is spoken.
      if (effect.change === "requested" || effect.change === "active" || effect.change === "paused") {
        announce(t(`call.recording.announce.${effect.change}`));
      }
      break;
    default:
  }
}

const PANEL_TITLES = {
  chat: "call.chat.title",
  people: "call.people.title",
  consents: "consent.mine.title",
  settings: "call.device.settings",
} as const;

export function CallView({ session, consultationId, onLeave, onWithdrawn, capabilities, staff }: CallViewProps): JSX.Element {
  const may = (capability: Capability): boolean => capabilities === undefined || capabilities.includes(capability);
  const state = useCallState(session);
  const view = useLocalView(session.media);
  const [panel, setPanel] = useState<Panel | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const [refused, setRefused] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const panelHeading = useRef<HTMLHeadingElement>(null);
  const silent = useSilentMicrophone(view.microphone.kind === "on" ? view.microphoneTrack : null, SILENT_IN_CALL_MS);
  useScreenAwake();
  const [first] = others(state);
  const [waiter] = waiting(state);
  useTitle(waiter ? `● ${t("call.waiting.tab", { name: waiter.name })}` : t("call.title"));
  useEffects(session, (effect) => tell(effect, panel === "chat"));

  const openPanel = useCallback(
    (wanted: Panel): void => setPanel((open) => (open === wanted ? null : wanted)),
    [],
  );
  useEffect(() => {
    session.dispatch({ type: "chat_visible", visible: panel === "chat" });
    if (panel !== null && panel !== "chat") panelHeading.current?.focus();
  }, [panel, session]);

  const stop = useAction(async () => {
    const recording = session.state.snapshot?.recording;
    if (recording) await api.stopRecording(recording.id);
  });
  const withdraw = useAction(async () => {
    const recording = session.state.snapshot?.recording;
    if (recording) await withdrawConsent(consultationId, { recording: recording.id });
  });
  const ask = useAction(async (text: string) => {
    await api.requestRecording(consultationId, text);
    setQuestion(null);
  });
  const end = useAction(async () => {
    await staff?.onEnd();
  });
  useEffect(() => {
    const problem = stop.problem ?? withdraw.problem;
    if (problem) toast(problemMessage(problem));
  }, [stop.problem, withdraw.problem]);

  useShortcuts({
    M: () => may("publish_audio") && void session.media.setMicrophone(session.media.current.microphone.kind !== "on"),
    V: () => may("publish_video") && void session.media.setCamera(session.media.current.camera.kind !== "on"),
    C: () => openPanel("chat"),
    P: () => openPanel("people"),
    A: () => {
      const [next] = waiting(session.state);
      if (next && staff) staff.actions.admit(next);
    },
  });

  const link = connection(state);
  const totals = session.totals;
  const microphoneTrouble = view.microphone.kind === "problem";
  return (
    <main
      id="content"
      tabIndex={-1}
      class={panel === null ? "call" : "call call--panel"}
      aria-label={t("call.label")}
      data-testid="call"
      data-connection={link.status}
      data-quality={state.quality}
      data-frames={totals.frames}
      data-audio-energy={totals.audioEnergy.toFixed(6)}
    >
      <h1 class="quietly">{first ? t("call.staff.with", { name: first.name }) : t("call.title")}</h1>
      <div class="call__top">
        <RecordingBar
          state={state}
          busy={stop.busy || withdraw.busy}
          onStop={() => void stop.run()}
          onWithdraw={() => void withdraw.run()}
        />
        <ConnectionBanner connection={link} onRetry={() => session.retry()} />
        {staff?.notice}
        {refused && (
          <Banner id="tap-to-hear-banner" icon="speaker" words={t("call.tap_to_hear.why")} kind="warning" live>
            <Button
              variant="primary"
              icon="speaker"
              buttonRef={testId("tap-to-hear")}
              onClick={() => {
                wakeAudio();
                setRefused(false);
                setAttempt((n) => n + 1);
              }}
            >
              {t("call.tap_to_hear")}
            </Button>
          </Banner>
        )}
        {(microphoneTrouble || silent) && panel !== "settings" && (
          <Banner
            id="microphone-banner"
            icon="microphone-off"
            kind="warning"
            words={microphoneTrouble ? t("call.microphone_problem") : t("call.microphone_silent")}
            live
          >
            <Button class="banner__button" onClick={() => setPanel("settings")}>
              {t("call.open_settings")}
            </Button>
          </Banner>
        )}
        {view.screen && (
          <Banner id="sharing-banner" icon="screen" words={t("call.sharing")}>
            <Button class="banner__button" onClick={() => session.media.stopScreen()}>
              {t("call.control.unshare")}
            </Button>
          </Banner>
        )}
        <RecordingOutcome state={state} onDismiss={() => session.dispatch({ type: "dismiss_notice" })} />
      </div>
      <div class="call__stage">
        <Tiles
          state={state}
          view={view}
          name={myName(state)}
          waitingCount={waiting(state).length}
          streamsOf={(slot) => session.remote(slot)}
        />
        {link.status === "connected" && first && (
          <p class={`quality quality--${state.quality}`} data-testid="quality">
            <span class="quality__bars" aria-hidden="true">
              <span />
              <span />
              <span />
            </span>
            <span class="quality__words">{t(`call.quality.${state.quality}`)}</span>
          </p>
        )}
      </div>
      {panel !== null && (
        <aside class="panel" aria-label={t(PANEL_TITLES[panel])} data-testid={`panel-${panel}`}>
          <div class="panel__head">
            <h2 ref={panelHeading} tabIndex={-1}>
              {t(PANEL_TITLES[panel])}
            </h2>
            <Button
              variant="quiet"
              icon="close"
              label={t("call.panel.close")}
              buttonRef={testId("panel-close")}
              onClick={() => setPanel(null)}
            />
          </div>
          <div class="panel__body">
            {panel === "chat" && <ChatPanel chat={state.chat} onSend={(text) => session.sendChat(text)} />}
            {panel === "people" && (
              <PeoplePanel state={state} actions={staff?.actions ?? null} invitePage={staff?.invitePage ?? null} />
            )}
            {panel === "consents" && (
              <MyConsents
                consultationId={consultationId}
                round={JSON.stringify([state.snapshot?.recording?.decisions, state.snapshot?.wanted, state.snapshot?.last_recording])}
                onWithdrawn={(consent, recorded) => {
                  if (recorded.place === "invited") onWithdrawn?.();
                  else if (consent.recording_id === null) toast(t("consent.withdrawn.done"));
                }}
              />
            )}
            {panel === "settings" && <SettingsPanel session={session} />}
          </div>
        </aside>
      )}
      <ControlBar
        media={session.media}
        view={view}
        may={may}
        panel={panel}
        unread={state.chat.unread}
        people={others(state).length + 1}
        onPanel={openPanel}
        onLeave={() => setQuestion("leave")}
        record={mayRecord(state) ? { unavailable: noRecording(state), onAsk: () => setQuestion("record") } : undefined}
        onEnd={staff && state.snapshot?.self.may_end ? () => setQuestion("end") : undefined}
      />
      {others(state).map((person) => {
        const slot = state.snapshot?.slots.find((entry) => entry.participant === person.id)?.slot ?? null;
        const streams = session.remote(slot);
        return streams === null ? null : (
          <RemoteAudio
            key={person.id}
            participant={person.id}
            stream={streams.microphone}
            speaker={session.media.chosen.speaker ?? ""}
            attempt={attempt}
            onRefused={() => setRefused(true)}
          />
        );
      })}
      <CallConsent session={session} consultationId={consultationId} staff={staff !== undefined} />
      {question === "record" && noRecording(state) === null && (
        <AskToRecord busy={ask.busy} problem={ask.problem} onAsk={(text) => void ask.run(text)} onClose={() => setQuestion(null)} />
      )}
      {question === "leave" && (
        <Ask
          id="leave-question"
          title={t("call.leave.title")}
          text={t(staff ? "call.leave.text_staff" : "call.leave.text")}
          yes={t("call.leave.confirm")}
          onYes={onLeave}
          onClose={() => setQuestion(null)}
        />
      )}
      {question === "end" && (
        <Ask
          id="end-question"
          title={t("call.end.title")}
          text={t("call.end.text")}
          yes={t("call.end.confirm")}
          busy={end.busy}
          problem={end.problem}
          onYes={() => void end.run()}
          onClose={() => setQuestion(null)}
        />
      )}
    </main>
  );
}
