// What is asked before the waiting room: one text after the other, in the reader's own language, for themself or for the patient.
// Invariant: the two answers look alike; nothing is answered beforehand.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { ConsentText, Me, Purpose, Recorded } from "../../api/types";
import { asProblem } from "../../api/problem";
import { Button, Field, Notice, Page } from "../../ui";
import { testId } from "../call/testId";
import { decisionTrouble } from "./ConsentDialog";
import { ConsentTextView, useConsentText } from "./ConsentText";
import { decide, type Capacity } from "./signing";
import { direction, wordsIn } from "./words";

const CAPACITIES: readonly Capacity[] = ["self", "parent_or_guardian", "legal_representative"];

export interface ConsentStepProps {
  me: Me;
  wanted: ConsentText;
  onDecided: (recorded: Recorded, permitted: boolean) => void;
}

export function ConsentStep({ me, wanted, onDecided }: ConsentStepProps): JSX.Element {
  const read = useConsentText(wanted.text, wanted.version);
  const [sending, setSending] = useState<"permit" | "deny" | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [capacity, setCapacity] = useState<Capacity>("self");
  const [name, setName] = useState("");
  const [relationship, setRelationship] = useState("");
  const [lacking, setLacking] = useState(false);
  const text = read.state.kind === "shown" ? read.state.text : null;
  const tag = text?.language ?? read.language;
  const words = wordsIn(tag);
  const represents = capacity !== "self";

  const answer = async (permitted: readonly Purpose[]): Promise<void> => {
    if (text === null || sending !== null) return;
    const named = { name: name.trim(), relationship: relationship.trim() };
    const incomplete = represents && (named.name === "" || named.relationship === "");
    setLacking(incomplete);
    if (incomplete) return;
    const yes = permitted.length > 0;
    setSending(yes ? "permit" : "deny");
    setTrouble(null);
    try {
      const recorded = await decide(text, {
        consultation: me.consultation_id,
        participant: me.id,
        person: me.name ?? "",
        recording: null,
        decision: yes ? "permit" : "deny",
        permitted,
        denied: yes ? [] : text.purposes,
        capacity,
        representative: represents ? named : null,
      });
      onDecided(recorded, yes);
    } catch (error) {
      setTrouble(decisionTrouble(error, words));
      if (asProblem(error).code === "CONSENT_MISMATCH") read.reload();
    } finally {
      setSending(null);
    }
  };

  const missing = (value: string): string | undefined => (lacking && value.trim() === "" ? words.fill_in : undefined);
  return (
    <div dir={direction(tag)} lang={tag}>
      <Page title={text?.title ?? wanted.title} width="narrow">
        <div class="stack stack--loose" data-testid="consent-step" data-text={wanted.text}>
          <ConsentTextView read={read} page />
          {(me.role === "patient" || me.role === "related_person") && (
            <fieldset class="consent__whom stack stack--tight">
              <legend>{words.whom}</legend>
              {CAPACITIES.map((one) => (
                <label key={one} class="consent__capacity">
                  <input
                    type="radio"
                    name="capacity"
                    value={one}
                    data-testid={`capacity-${one}`}
                    checked={capacity === one}
                    onChange={() => setCapacity(one)}
                  />
                  <span>{words[one]}</span>
                </label>
              ))}
              {represents && (
                <div class="stack stack--tight consent__representative">
                  <Field
                    label={words.name}
                    value={name}
                    onInput={setName}
                    autocomplete="name"
                    maxLength={80}
                    required
                    error={missing(name)}
                    inputRef={testId("representative-name")}
                  />
                  <Field
                    label={words.relationship}
                    hint={words.relationship_hint}
                    value={relationship}
                    onInput={setRelationship}
                    maxLength={80}
                    required
                    error={missing(relationship)}
                    inputRef={testId("representative-relationship")}
                  />
                </div>
              )}
            </fieldset>
          )}
          <p class="soft">{wanted.required ? words.required : words.optional}</p>
          {trouble && <Notice kind="danger">{trouble}</Notice>}
          <div class="consent__answers consent__answers--2">
            <Button
              size="large"
              disabled={text === null}
              busy={sending === "permit"}
              buttonRef={testId("consent-permit")}
              onClick={() => void answer(text?.purposes ?? [])}
            >
              {words.yes}
            </Button>
            <Button
              size="large"
              disabled={text === null}
              busy={sending === "deny"}
              buttonRef={testId("consent-deny")}
              onClick={() => void answer([])}
            >
              {words.no}
            </Button>
          </div>
        </div>
      </Page>
    </div>
  );
}
