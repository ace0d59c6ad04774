// Everything that is pressed. While busy a button keeps its focus and its place, and a second press does nothing.
import type { ComponentChildren, JSX, Ref } from "preact";
import { Icon, type IconName } from "./Icon";
import { followLink } from "./Link";

export interface ButtonProps {
  /** "secondary" unless told. */
  variant?: "primary" | "secondary" | "quiet" | "danger" | "danger-quiet";
  size?: "normal" | "large";
  /** As wide as its container. */
  wide?: boolean;
  icon?: IconName;
  /** Icon alone; then `label` is its name. */
  label?: string;
  busy?: boolean;
  disabled?: boolean;
  type?: "button" | "submit";
  /** Makes it a link that looks like a button. */
  href?: string;
  onClick?: (event: MouseEvent) => void;
  class?: string;
  pressed?: boolean;
  expanded?: boolean;
  controls?: string;
  describedBy?: string;
  autofocus?: boolean;
  buttonRef?: Ref<HTMLButtonElement>;
  children?: ComponentChildren;
}

export function Button(props: ButtonProps): JSX.Element {
  const { variant = "secondary", size = "normal", icon, label, busy = false, href, children } = props;
  const iconOnly = label !== undefined && children === undefined;
  const classes = ["button", `button--${variant}`];
  if (size === "large") classes.push("button--large");
  if (props.wide) classes.push("button--wide");
  if (iconOnly) classes.push("button--icon");
  if (props.class) classes.push(props.class);
  const inside = (
    <>
      {busy ? <span class="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </>
  );
  if (href !== undefined) {
    return (
      <a
        class={classes.join(" ")}
        href={href}
        aria-label={label}
        onClick={(event) => {
          props.onClick?.(event);
          followLink(event, href);
        }}
      >
        {inside}
      </a>
    );
  }
  return (
    <button
      ref={props.buttonRef ?? null}
      type={props.type ?? "button"}
      class={classes.join(" ")}
      disabled={props.disabled ?? false}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      aria-label={label}
      title={iconOnly ? label : undefined}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      aria-controls={props.controls}
      aria-describedby={props.describedBy}
      autofocus={props.autofocus}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else props.onClick?.(event);
      }}
    >
      {inside}
    </button>
  );
}
