// After a no to what is required: what happens next, and the way back for whoever thinks otherwise.
import type { JSX } from "preact";
import type { Me } from "../../api/types";
import { language } from "../../messages";
import { Button, Icon, Page } from "../../ui";
import { testId } from "../call/testId";
import { direction, fill, firstLanguage, TEXT_LANGUAGES, wordsIn } from "./words";

export interface DeclinedProps {
  me: Me;
  withdrawn: boolean;
  onBack: () => void;
}

export function Declined({ me, withdrawn, onBack }: DeclinedProps): JSX.Element {
  const tag = firstLanguage(TEXT_LANGUAGES, language.value);
  const words = wordsIn(tag);
  const said = fill(withdrawn ? words.withdrawn_text : words.declined_text, { name: me.practitioner_name });
  return (
    <div dir={direction(tag)} lang={tag}>
      <Page title={withdrawn ? words.withdrawn_title : words.declined_title} intro={said} width="narrow">
        <div class="stack" data-testid="declined" data-withdrawn={withdrawn}>
          <section class="card stack stack--tight">
            <h2>{words.declined_next}</h2>
            <p class="row consent__next">
              <Icon name="people" /> <span>{words.declined_call}</span>
            </p>
            <p class="row consent__next">
              <Icon name="alert" /> <span>{words.declined_emergency}</span>
            </p>
          </section>
          <div class="row">
            <Button size="large" buttonRef={testId("declined-back")} onClick={onBack}>
              {words.declined_back}
            </Button>
          </div>
        </div>
      </Page>
    </div>
  );
}
