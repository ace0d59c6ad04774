// How loud the own microphone is, as bars.
import type { JSX } from "preact";
import { t } from "../../messages";

const BARS = 14;

export function LevelMeter({ level, muted = false }: { level: number; muted?: boolean }): JSX.Element {
  const lit = muted ? 0 : Math.round(level * BARS);
  return (
    <div
      class="level"
      role="meter"
      aria-label={t("call.device.level")}
      aria-valuemin={0}
      aria-valuemax={BARS}
      aria-valuenow={lit}
      data-testid="microphone-level"
      data-level={lit}
    >
      {Array.from({ length: BARS }, (_, index) => (
        <span key={index} class={index < lit ? "level__bar level__bar--lit" : "level__bar"} />
      ))}
    </div>
  );
}
