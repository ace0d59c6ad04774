// A short state in words, with a tint. The tint repeats what the words say.
import type { ComponentChildren, JSX } from "preact";

export interface BadgeProps {
  kind?: "neutral" | "info" | "success" | "warning" | "danger" | "brand" | "clay";
  /** A dot before the words; "live" breathes. */
  dot?: boolean | "live";
  children: ComponentChildren;
}

export function Badge({ kind = "neutral", dot, children }: BadgeProps): JSX.Element {
  return (
    <span class={`badge badge--${kind}`}>
      {dot && <span class={dot === "live" ? "badge__dot badge__dot--live" : "badge__dot"} aria-hidden="true" />}
      {children}
    </span>
  );
}
