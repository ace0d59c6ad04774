// Who is here and who waits, with what each of them sends; for the clinician also the ways to let in and to remove.
import type { JSX } from "preact";
import type { CallState } from "../../call/model";
import type { Participant } from "../../call/protocol";
import { me, others, waiting } from "../../call/view";
import { t } from "../../messages";
import { Badge, Button, Icon } from "../../ui";
import { Standings } from "../consent/Standings";
import { initials } from "./Tiles";
import { testId } from "./testId";

export interface PeopleActions {
  admit: (person: Participant) => void;
  turnAway: (person: Participant) => void;
  remove: (person: Participant) => void;
  busy: string | null;
}

function Person({ person, own, actions, index }: {
  person: Participant;
  own: boolean;
  actions: PeopleActions | null;
  index: number;
}): JSX.Element {
  return (
    <li class="person" data-testid="person" data-participant={person.id}>
      <span class="person__initials" aria-hidden="true">
        {initials(person.name)}
      </span>
      <div class="person__who">
        <span class="person__name">{own ? t("call.you_named", { name: person.name }) : person.name}</span>
        <span class="small soft">
          {t(`role.${person.role}`)}
          {person.presence === "reconnecting" && ` · ${t("call.people.reconnecting")}`}
        </span>
      </div>
      <span class="person__states">
        {person.screen && (
          <span title={t("call.people.sharing")}>
            <Icon name="screen" size={18} />
            <span class="quietly">{t("call.people.sharing")}</span>
          </span>
        )}
        <span
          title={person.microphone ? t("call.people.microphone_on") : t("call.people.microphone_off")}
          class={person.microphone ? "" : "person__state--off"}
          data-testid="person-microphone"
          data-on={person.microphone}
        >
          <Icon name={person.microphone ? "microphone" : "microphone-off"} size={18} />
          <span class="quietly">{person.microphone ? t("call.people.microphone_on") : t("call.people.microphone_off")}</span>
        </span>
        <span
          title={person.camera ? t("call.people.camera_on") : t("call.people.camera_off")}
          class={person.camera ? "" : "person__state--off"}
          data-testid="person-camera"
          data-on={person.camera}
        >
          <Icon name={person.camera ? "camera" : "camera-off"} size={18} />
          <span class="quietly">{person.camera ? t("call.people.camera_on") : t("call.people.camera_off")}</span>
        </span>
      </span>
      {actions && !own && (
        <Button
          variant="danger-quiet"
          class="person__remove"
          label={t("call.people.remove_named", { name: person.name })}
          buttonRef={testId(`remove-${index}`)}
          onClick={() => actions.remove(person)}
        >
          {t("call.people.remove")}
        </Button>
      )}
    </li>
  );
}

export function WaitingPerson({ person, index, actions, prefix }: {
  person: Participant;
  index: number;
  actions: PeopleActions;
  /** Tells the notice's buttons from the list's. */
  prefix: string;
}): JSX.Element {
  const busy = actions.busy === person.id;
  return (
    <div class="waiter" data-testid={`${prefix}waiting-${index}`} data-participant={person.id}>
      <div class="waiter__who">
        <span class="person__name">{t("call.waiting.one", { name: person.name })}</span>
        <Badge kind="clay">{t(`role.${person.role}`)}</Badge>
      </div>
      <div class="waiter__actions">
        <Button
          variant="primary"
          busy={busy}
          label={t("call.waiting.admit_named", { name: person.name })}
          buttonRef={testId(`${prefix}admit-${index}`)}
          onClick={() => actions.admit(person)}
        >
          {t("call.waiting.admit")}
        </Button>
        <Button
          label={t("call.waiting.turn_away_named", { name: person.name })}
          buttonRef={testId(`${prefix}turn-away-${index}`)}
          onClick={() => actions.turnAway(person)}
        >
          {t("call.waiting.turn_away")}
        </Button>
      </div>
    </div>
  );
}

export interface PeoplePanelProps {
  state: CallState;
  /** Given to those who may admit. */
  actions: PeopleActions | null;
  /** The page with this consultation's links. */
  invitePage: string | null;
}

export function PeoplePanel({ state, actions, invitePage }: PeoplePanelProps): JSX.Element {
  const own = me(state);
  const here = [...(own ? [{ ...own, ...state.sending }] : []), ...others(state)];
  const queue = waiting(state);
  return (
    <div class="people stack" data-testid="people">
      {actions && queue.length > 0 && (
        <section class="stack stack--tight" aria-label={t("call.people.waiting")}>
          <h3>{t("call.people.waiting")}</h3>
          {queue.map((person, index) => (
            <WaitingPerson key={person.id} person={person} index={index} actions={actions} prefix="people-" />
          ))}
        </section>
      )}
      <section class="stack stack--tight" aria-label={t("call.people.here")}>
        <h3>{t("call.people.here")}</h3>
        <ul class="people__list">
          {here.map((person, index) => (
            <Person key={person.id} person={person} own={person.id === own?.id} actions={actions} index={index} />
          ))}
        </ul>
      </section>
      <Standings state={state} />
      {invitePage !== null && (
        <div class="stack stack--tight">
          <div class="row">
            <a class="button button--secondary" href={invitePage} target="_blank" rel="noopener" data-testid="invite-link">
              <Icon name="link" />
              {t("call.people.invite")}
            </a>
          </div>
          <p class="small soft">{t("call.people.invite_hint")}</p>
        </div>
      )}
    </div>
  );
}
