// The mark: two arcs, one sheltering the other, at somebody's side.
import type { JSX } from "preact";
import { clinicName } from "../state/config";
import { t } from "../messages";

export function Mark({ size = 36 }: { size?: number }): JSX.Element {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false" fill="none">
      <rect width="32" height="32" rx="9" class="mark__tile" />
      <path d="M7 21.5c0-5 4-9 9-9s9 4 9 9" class="mark__outer" stroke-width="2.6" stroke-linecap="round" />
      <path d="M12 21.5a4 4 0 0 1 8 0" class="mark__inner" stroke-width="2.6" stroke-linecap="round" />
      <circle cx="16" cy="8.2" r="1.9" class="mark__head" />
    </svg>
  );
}

/** The mark with the product's and the clinic's name. */
export function Brand(): JSX.Element {
  const clinic = clinicName();
  return (
    <>
      <Mark />
      <span class="brand__words">
        <span class="brand__name">{t("app.name")}</span>{" "}
        {clinic !== "Bedside" && <span class="brand__clinic">{clinic}</span>}
      </span>
    </>
  );
}
