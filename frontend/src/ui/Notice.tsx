// A message that belongs to its place on the page. Danger and warning are spoken at once when they appear.
import type { ComponentChildren, JSX } from "preact";
import { problemMessage, type Problem } from "../api/problem";
import { t } from "../messages";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";

export type NoticeKind = "info" | "success" | "warning" | "danger";

const ICONS: Record<NoticeKind, IconName> = { info: "info", success: "check", warning: "alert", danger: "alert" };

export interface NoticeProps {
  kind?: NoticeKind;
  title?: string;
  icon?: IconName;
  /** Spoken when it appears; true for danger unless told. */
  live?: boolean;
  children?: ComponentChildren;
}

export function Notice({ kind = "info", title, icon, live = kind === "danger", children }: NoticeProps): JSX.Element {
  return (
    <div class={`notice notice--${kind}`} role={live ? "alert" : undefined}>
      <Icon name={icon ?? ICONS[kind]} size={22} />
      <div class="notice__body">
        {title && <p class="notice__title">{title}</p>}
        {typeof children === "string" ? <p>{children}</p> : children}
      </div>
    </div>
  );
}

/** What went wrong, in words, with a way to try again. */
export function ProblemNotice({ problem, onRetry }: { problem: Problem; onRetry?: () => void }): JSX.Element {
  return (
    <Notice kind="danger" title={t("error.title")}>
      <p>{problemMessage(problem)}</p>
      {problem.requestId && (
        <p class="small">
          {t("error.request", { id: "" })}
          <span class="mono">{problem.requestId}</span>
        </p>
      )}
      {onRetry && (
        <Button icon="refresh" onClick={onRetry}>
          {t("action.retry")}
        </Button>
      )}
    </Notice>
  );
}
