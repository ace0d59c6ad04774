// Something is on its way: a spinner for a page, a skeleton for a part of it, a bar where the amount is known.
import type { ComponentChildren, JSX } from "preact";
import type { Resource } from "../state/resource";
import { t } from "../messages";
import { ProblemNotice } from "./Notice";

export function Spinner({ label }: { label?: string }): JSX.Element {
  return (
    <div class="waiting" role="status">
      <span class="spinner spinner--large" aria-hidden="true" />
      <span>{label ?? t("app.loading")}</span>
    </div>
  );
}

/** Grey lines in the shape of text. */
export function Skeleton({ lines = 3 }: { lines?: number }): JSX.Element {
  return (
    <div class="stack" role="status">
      <span class="quietly">{t("app.loading")}</span>
      <span class="skeleton skeleton--title" />
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} class={i % 2 ? "skeleton skeleton--short" : "skeleton"} />
      ))}
    </div>
  );
}

/** `value` from 0 to 1; without it the amount is unknown. */
export function Progress({ label, value }: { label: string; value?: number }): JSX.Element {
  return <progress class="progress" aria-label={label} max={1} value={value} />;
}

/** Shows a resource in whichever state it is. */
export function Loaded<D>(props: {
  of: Resource<D>;
  lines?: number;
  children: (data: D) => ComponentChildren;
}): JSX.Element {
  const { data, problem, reload } = props.of;
  if (problem) return <ProblemNotice problem={problem} onRetry={reload} />;
  if (data === null) return <Skeleton lines={props.lines ?? 4} />;
  return <>{props.children(data)}</>;
}
