// The waiting room: says honestly what the clinic knows and what comes next.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Me } from "../../api/types";
import type { CallSession } from "../../call/session";
import { connection } from "../../call/view";
import { t } from "../../messages";
import { formatMomentInline, formatTime } from "../../messages/dates";
import { Button, Icon, Page, PublicShell } from "../../ui";
import { ConnectionBanner } from "../call/Banners";
import { DevicePickers } from "../call/DevicePickers";
import { DeviceTrouble, troubleOf } from "../call/DeviceTrouble";
import { Preview } from "../call/Preview";
import { useCallState, useLocalView, useScreenAwake } from "../call/hooks";
import { testId } from "../call/testId";
import { publishes } from "./journey";
import { MoveAway } from "./MoveAway";

export function Lobby({ session, me, startsAt }: { session: CallSession; me: Me; startsAt: string | null }): JSX.Element {
  const state = useCallState(session);
  const view = useLocalView(session.media);
  const [since] = useState(() => new Date().toISOString());
  useScreenAwake();
  const link = connection(state);
  const status = state.snapshot?.consultation.status ?? null;
  const trouble = troubleOf(view);
  const name = me.practitioner_name;
  const words =
    status === null
      ? t("join.lobby.connecting")
      : status === "in_progress"
        ? t("join.lobby.told", { name })
        : t("join.lobby.not_started_now", { name });
  return (
    <PublicShell>
      <Page title={t("join.lobby.title")} width="narrow">
        <div class="stack" data-testid="lobby" data-connection={link.status} data-status={status ?? ""}>
          {status !== null && <ConnectionBanner connection={link} onRetry={() => session.retry()} />}
          <div class="lobby__status" role="status">
            {status === null ? (
              link.status === "failed" ? null : <span class="spinner" aria-hidden="true" />
            ) : (
              <span class="lobby__breath" aria-hidden="true" />
            )}
            <div class="stack stack--tight">
              <p class="lobby__words" data-testid="lobby-status">
                {words}
              </p>
              {status === "planned" && startsAt !== null && (
                <p data-testid="lobby-planned">{t("join.lobby.planned", { when: formatMomentInline(startsAt) })}</p>
              )}
              {status !== null && <p class="small soft">{t("join.lobby.since", { time: formatTime(since) })}</p>}
            </div>
          </div>
          {status === null && link.status !== "connecting" && (
            <ConnectionBanner connection={link} onRetry={() => session.retry()} />
          )}
          {publishes(me) && (
          <div class="lobby__self">
            <Preview media={session.media} view={view} />
            <p class="small soft lobby__private">
              <Icon name="lock" size={16} /> {t("join.lobby.private")}
            </p>
          </div>
          )}
          {publishes(me) && trouble && <DeviceTrouble trouble={trouble} onRetry={() => void session.media.retry()} />}
          <p class="soft">{t("join.lobby.hint")}</p>
          <details class="lobby__devices">
            <summary>{t("call.device.settings")}</summary>
            <DevicePickers media={session.media} view={view} />
          </details>
          <MoveAway consultationId={me.consultation_id} />
          <div class="row">
            <Button variant="secondary" icon="hang-up" buttonRef={testId("lobby-leave")} onClick={() => session.leave()}>
              {t("join.lobby.leave")}
            </Button>
          </div>
        </div>
      </Page>
    </PublicShell>
  );
}
