// News at the top of a call that stay until they are settled: the connection, the held-back sound, a silent microphone.
import type { ComponentChildren, JSX } from "preact";
import type { Connection } from "../../call/view";
import { t } from "../../messages";
import { Button, Icon, type IconName } from "../../ui";
import { testId } from "./testId";

export interface BannerProps {
  id: string;
  icon: IconName;
  kind?: "plain" | "warning" | "danger";
  title?: string;
  words?: string | null;
  spinning?: boolean;
  /** Spoken when it appears. */
  live?: boolean;
  children?: ComponentChildren;
}

export function Banner(props: BannerProps): JSX.Element {
  return (
    <div class={`banner banner--${props.kind ?? "plain"}`} role={props.live ? "status" : undefined} data-testid={props.id}>
      {props.spinning ? <span class="spinner" aria-hidden="true" /> : <Icon name={props.icon} />}
      <div class="banner__words">
        {props.title && <p class="banner__title">{props.title}</p>}
        {props.words && <p>{props.words}</p>}
      </div>
      {props.children}
    </div>
  );
}

/** Says what is wrong with the connection and what to do; nothing while all is well. */
export function ConnectionBanner({ connection, onRetry }: {
  connection: Connection;
  onRetry: () => void;
}): JSX.Element | null {
  const { status, advice, canRetry } = connection;
  if (status === "connected" || status === "ended") return null;
  return (
    <Banner
      id="connection-banner"
      icon="alert"
      kind={status === "failed" ? "danger" : status === "reconnecting" ? "warning" : "plain"}
      title={t(`call.connection.${status}`)}
      words={advice === "none" || (status === "connecting" && advice === "wait") ? null : t(`call.advice.${advice}`)}
      spinning={status !== "failed"}
      live
    >
      {canRetry && (
        <Button class="banner__button" buttonRef={testId("connection-retry")} onClick={onRetry}>
          {t("call.retry")}
        </Button>
      )}
    </Banner>
  );
}
