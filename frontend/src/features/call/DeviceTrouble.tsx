// What is wrong with camera or microphone, what to do about it in this browser, and the ways on without it.
import type { JSX } from "preact";
import { browserKind, type DeviceProblem } from "../../call/devices";
import type { LocalView } from "../../call/local-media";
import { t, type Key } from "../../messages";
import { Button, Notice } from "../../ui";
import { testId } from "./testId";

export interface Trouble {
  what: "both" | "camera" | "microphone";
  problem: DeviceProblem;
}

/** The one trouble to talk about: the microphone matters more than the camera. */
export function troubleOf(view: Pick<LocalView, "microphone" | "camera">): Trouble | null {
  const microphone = view.microphone.kind === "problem" ? view.microphone.problem : null;
  const camera = view.camera.kind === "problem" ? view.camera.problem : null;
  if (microphone !== null) return { what: camera === microphone ? "both" : "microphone", problem: microphone };
  return camera === null ? null : { what: "camera", problem: camera };
}

function titleKey({ what, problem }: Trouble): Key {
  return problem === "denied" || problem === "none_found" || problem === "busy"
    ? `call.device.problem.${what}.${problem}`
    : `call.device.problem.${what}.other`;
}

function DeniedHelp(): JSX.Element {
  const kind = browserKind(navigator.userAgent, navigator.maxTouchPoints);
  return (
    <ol class="device__help">
      <li>{t(`call.device.help.${kind}.1`)}</li>
      <li>{t(`call.device.help.${kind}.2`)}</li>
      <li>{t(`call.device.help.${kind}.3`)}</li>
    </ol>
  );
}

export function DeviceTrouble({ trouble, onRetry }: { trouble: Trouble; onRetry: () => void }): JSX.Element {
  return (
    <div data-testid="device-problem" data-problem={trouble.problem} data-what={trouble.what}>
      <Notice kind="warning" title={t(titleKey(trouble))} live>
        <p>{t(`call.device.problem.${trouble.problem}.text`)}</p>
        {trouble.problem === "denied" && <DeniedHelp />}
        <Button icon="refresh" buttonRef={testId("device-retry")} onClick={onRetry}>
          {t("call.device.try_again")}
        </Button>
      </Notice>
    </div>
  );
}
