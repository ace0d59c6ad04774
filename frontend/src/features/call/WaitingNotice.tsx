// Tells the clinician, until it is settled, that somebody waits. The sound and the words in the browser's tab come with it
// (StaffCallPage, CallView).
import type { JSX } from "preact";
import type { Participant } from "../../call/protocol";
import { t } from "../../messages";
import { WaitingPerson, type PeopleActions } from "./PeoplePanel";

/** So many are shown above the stage; the list of people has them all. */
const SHOWN = 2;

export interface WaitingNoticeProps {
  queue: readonly Participant[];
  /** The browser held the chime back. */
  silenced: boolean;
  actions: PeopleActions;
}

export function WaitingNotice({ queue, silenced, actions }: WaitingNoticeProps): JSX.Element | null {
  if (queue.length === 0) return null;
  return (
    <section class="waiters" aria-label={t("call.people.waiting")} data-testid="waiting-notice" data-count={queue.length}>
      {queue.slice(0, SHOWN).map((person, index) => (
        <WaitingPerson key={person.id} person={person} index={index} actions={actions} prefix="" />
      ))}
      {queue.length > SHOWN && <p class="small">{t("call.waiting.many", { count: queue.length })}</p>}
      {silenced && <p class="small">{t("call.waiting.no_sound")}</p>}
    </section>
  );
}
