// How far it is to the waiting room.
import type { JSX } from "preact";
import { t } from "../../messages";

const COUNT = 2;

export function Steps({ step }: { step: 1 | 2 }): JSX.Element {
  return (
    <p class="steps">
      <span class="steps__bar" aria-hidden="true">
        {Array.from({ length: COUNT }, (_, index) => (
          <span key={index} class={index < step ? "steps__part steps__part--done" : "steps__part"} />
        ))}
      </span>
      <span class="small soft">{t("join.steps", { step, count: COUNT })}</span>
    </p>
  );
}
