// Waiting room and call of somebody who was invited: one session carries both, so being let in needs nothing of the person.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Me } from "../../api/types";
import type { LocalMedia } from "../../call/local-media";
import type { CallSession } from "../../call/session";
import { chimeAdmitted } from "../../call/sound";
import { t } from "../../messages";
import { announce, Page, PublicShell, Spinner } from "../../ui";
import { CallView } from "../call/CallView";
import { CallConsent } from "../consent/CallConsent";
import { publishes } from "./journey";
import { makeSession } from "../call/connect";
import { useCallState, useEffects, useOnline } from "../call/hooks";
import type { Farewell } from "./journey";
import { Lobby } from "./Lobby";

export interface LiveStepProps {
  me: Me;
  media: LocalMedia;
  /** Camera and microphone have to be opened: after a reload or a return, not after the device check. */
  open: boolean;
  /** When the consultation was planned for; null until it is known. */
  startsAt: string | null;
  onEnded: (farewell: Farewell) => void;
  /** They withdrew what care by video needs: the server has taken them out. */
  onWithdrawn: () => void;
}

export function LiveStep({ me, media, open, startsAt, onEnded, onWithdrawn }: LiveStepProps): JSX.Element {
  const [session, setSession] = useState<CallSession | null>(null);
  const ended = useRef(onEnded);
  ended.current = onEnded;
  useEffect(() => {
    let current: CallSession | null = null;
    let gone = false;
    void makeSession(me.consultation_id, media).then((made) => {
      if (gone) return;
      current = made;
      made.subscribe(() => {
        const { ending, snapshot } = made.state;
        if (ending === null) return;
        ended.current(ending === "left" && snapshot?.self.place !== "in_call" ? "left_lobby" : ending);
      });
      setSession(made);
    });
    return () => {
      gone = true;
      current?.dispose();
    };
  }, [me.consultation_id, media]);
  if (session === null) {
    return (
      <PublicShell>
        <Page title={t("join.lobby.title")} width="narrow">
          <Spinner label={t("join.lobby.connecting")} />
        </Page>
      </PublicShell>
    );
  }
  return <Connected session={session} me={me} open={open} startsAt={startsAt} onWithdrawn={onWithdrawn} />;
}

function Connected({ session, me, open, startsAt, onWithdrawn }: Omit<LiveStepProps, "media" | "onEnded"> & { session: CallSession }): JSX.Element {
  const state = useCallState(session);
  useOnline(session);
  useEffects(session, (effect) => {
    if (effect.kind !== "admitted") return;
    chimeAdmitted();
    announce(t("call.admitted"));
  });
  useEffect(() => {
    if (open && publishes(me)) void session.media.openAll();
    session.start();
  }, [session]);
  if (state.snapshot?.self.place === "in_call") {
    return (
      <CallView
        session={session}
        consultationId={me.consultation_id}
        capabilities={me.capabilities}
        onLeave={() => session.leave()}
        onWithdrawn={onWithdrawn}
      />
    );
  }
  return (
    <>
      <Lobby session={session} me={me} startsAt={startsAt} />
      <CallConsent session={session} consultationId={me.consultation_id} staff={false} />
    </>
  );
}
