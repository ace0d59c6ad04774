// Tells the clinician, above the stage, who declined what is required or withdrew it: nobody waits for somebody who will not come.
import type { JSX } from "preact";
import type { DeclinedPerson } from "../../call/protocol";
import { t } from "../../messages";
import { Icon } from "../../ui";

export function DeclinedNotice({ people }: { people: readonly DeclinedPerson[] }): JSX.Element | null {
  if (people.length === 0) return null;
  return (
    <>
      {people.map((person) => (
        <div key={person.id} class="banner banner--warning" role="status" data-testid="declined-notice">
          <Icon name="alert" />
          <p class="banner__words">{t(person.withdrawn ? "call.declined.withdrawn" : "call.declined.one", { name: person.name })}</p>
        </div>
      ))}
    </>
  );
}
