// The lasting sign that a recording runs, waits or is paused, and the way to end it at once: one press, no question.
import type { JSX } from "preact";
import type { CallState } from "../../call/model";
import { recordingView, type RecordingView } from "../../call/view";
import { t } from "../../messages";
import { formatDuration } from "../../messages/dates";
import { Button, Icon } from "../../ui";
import { useNow } from "./hooks";
import { testId } from "./testId";

function names(view: RecordingView): { count: number; names: string } {
  return { count: view.undecided.length, names: view.undecided.join(", ") };
}

function explanation(view: RecordingView): string | null {
  const undecided = names(view);
  switch (view.recording.state) {
    case "active":
      return null;
    case "paused":
      if (view.iDeclined) return t("call.recording.paused.i_declined");
      if (view.declined.length > 0) return t("call.recording.paused.declined", { names: view.declined.join(", ") });
      if (undecided.count === 0) return null;
      return t(undecided.count === 1 ? "call.recording.paused.for" : "call.recording.paused.for_many", { names: undecided.names });
    case "requested":
      if (undecided.count === 0) return view.awaitsMe ? t("call.recording.requested.me") : null;
      return t(undecided.count === 1 ? "call.recording.requested.for" : "call.recording.requested.for_many", {
        names: undecided.names,
      });
  }
}

export interface RecordingBarProps {
  state: CallState;
  busy: boolean;
  onWithdraw: () => void;
  onStop: () => void;
}

export function RecordingBar({ state, busy, onWithdraw, onStop }: RecordingBarProps): JSX.Element | null {
  const view = recordingView(state);
  const active = view?.recording.state === "active";
  const now = useNow(active);
  if (view === null) return null;
  const words = explanation(view);
  return (
    <section
      class={`recording recording--${view.recording.state}`}
      data-testid="recording"
      data-state={view.recording.state}
      aria-label={t(`call.recording.${view.recording.state}`)}
    >
      <p class="recording__state">
        {view.recording.state === "paused" ? (
          <Icon name="pause" size={16} />
        ) : (
          <span class={active ? "recording__dot recording__dot--live" : "recording__dot"} aria-hidden="true" />
        )}
        <strong>{t(`call.recording.${view.recording.state}`)}</strong>
        {active && view.startedAt !== null && (
          <span class="numbers" role="timer" data-testid="recording-time">
            {formatDuration(now - view.startedAt)}
          </span>
        )}
      </p>
      {words && <p class="recording__words">{words}</p>}
      <div class="recording__actions">
        {view.mayStop && (
          <Button class="recording__button" busy={busy} buttonRef={testId("recording-stop")} onClick={onStop}>
            {t(view.recording.state === "requested" ? "call.recording.cancel_request" : "call.recording.stop")}
          </Button>
        )}
        {view.mayWithdraw && !view.mayStop && (
          <Button class="recording__button" busy={busy} buttonRef={testId("recording-withdraw")} onClick={onWithdraw}>
            {t("call.recording.withdraw")}
          </Button>
        )}
      </div>
    </section>
  );
}

/** What became of a recording; stays until it is dismissed. */
export function RecordingOutcome({ state, onDismiss }: { state: CallState; onDismiss: () => void }): JSX.Element | null {
  const { notice } = state;
  if (notice === null) return null;
  const { outcome } = notice;
  // A newcomer's refusal ends a recording that had begun; nothing was recorded of them.
  const told = outcome === "refused" && notice.hadBegun ? "ended" : outcome;
  const words =
    told === "stopped" || told === "failed"
      ? t(`call.recording.notice.${told}`)
      : notice.byMe
        ? t(`call.recording.notice.${told}_me`)
        : notice.by === null
          ? t(`call.recording.notice.${told}_nobody`)
          : t(`call.recording.notice.${told}`, { name: notice.by });
  const kept = notice.kept === null ? "" : ` ${t(`call.recording.kept.${notice.kept}`)}`;
  return (
    <div class="banner banner--close" role="status" data-testid="recording-outcome" data-outcome={outcome}>
      <Icon name="info" />
      <p class="banner__words">
        {words}
        {kept}
      </p>
      <Button class="banner__button" icon="close" label={t("action.dismiss")} onClick={onDismiss} />
    </div>
  );
}
