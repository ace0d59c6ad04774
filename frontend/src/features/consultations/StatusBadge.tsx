// The states of consultations, links, people and recordings, as badges of one look.
import type { JSX } from "preact";
import type { ConsultationStatus, InvitationStatus, Place, RecordingState } from "../../api/types";
import { t } from "../../messages";
import { Badge, type BadgeProps } from "../../ui";

type Look = Pick<BadgeProps, "kind" | "dot">;

const CONSULTATION: Record<ConsultationStatus, Look> = {
  planned: { kind: "info" },
  in_progress: { kind: "success", dot: "live" },
  completed: { kind: "neutral" },
  cancelled: { kind: "neutral" },
};

const INVITATION: Record<InvitationStatus, Look> = {
  open: { kind: "info" },
  redeemed: { kind: "success" },
  expired: { kind: "neutral" },
  cancelled: { kind: "neutral" },
  locked: { kind: "danger" },
};

const PLACE: Record<Place, Look> = {
  invited: { kind: "neutral" },
  lobby: { kind: "clay", dot: "live" },
  in_call: { kind: "success", dot: "live" },
  left: { kind: "neutral" },
  turned_away: { kind: "neutral" },
  removed: { kind: "neutral" },
};

const RECORDING: Record<RecordingState, Look> = {
  requested: { kind: "info" },
  active: { kind: "danger", dot: "live" },
  paused: { kind: "warning", dot: true },
  stopped: { kind: "info" },
  sealed: { kind: "success" },
  destroyed: { kind: "neutral" },
  refused: { kind: "neutral" },
};

export function ConsultationBadge({ status }: { status: ConsultationStatus }): JSX.Element {
  return <Badge {...CONSULTATION[status]}>{t(`consultation.status.${status}`)}</Badge>;
}

export function InvitationBadge({ status }: { status: InvitationStatus }): JSX.Element {
  return <Badge {...INVITATION[status]}>{t(`invite.status.${status}`)}</Badge>;
}

export function PlaceBadge({ place }: { place: Place }): JSX.Element {
  return <Badge {...PLACE[place]}>{t(`place.${place}`)}</Badge>;
}

export function RecordingBadge({ state }: { state: RecordingState }): JSX.Element {
  return <Badge {...RECORDING[state]}>{t(`recording.state.${state}`)}</Badge>;
}

export function WaitingBadge({ count }: { count: number }): JSX.Element | null {
  if (count === 0) return null;
  return (
    <Badge kind="clay" dot="live">
      {t("consultations.waiting", { count })}
    </Badge>
  );
}
