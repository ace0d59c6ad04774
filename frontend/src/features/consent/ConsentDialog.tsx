// Asks for consent in a call: to a recording, kind by kind, or to an interpreter's presence.
// Invariants: what is sent names the very text that was on the screen; the answers look alike; the question cannot be closed without one.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asProblem, problemMessage } from "../../api/problem";
import type { ConsentText, Purpose } from "../../api/types";
import type { ConsentPrompt } from "../../call/view";
import { Button, Dialog, Notice } from "../../ui";
import { testId } from "../call/testId";
import { ConsentTextView, useConsentText } from "./ConsentText";
import { CannotSign } from "./signing";
import { direction, fill, wordsIn, type ConsentWords } from "./words";

export interface Choice {
  readonly id: string;
  readonly words: keyof ConsentWords;
  readonly permitted: readonly Purpose[];
}

/** The answers a text can be given, as many as it has kinds of media and one more. */
export function choices(purposes: readonly Purpose[]): readonly Choice[] {
  if (purposes.includes("recording_video") && purposes.includes("recording_audio")) {
    return [
      { id: "permit", words: "both", permitted: ["recording_audio", "recording_video"] },
      { id: "sound", words: "sound", permitted: ["recording_audio"] },
      { id: "deny", words: "none", permitted: [] },
    ];
  }
  return [
    { id: "permit", words: purposes.includes("recording_audio") ? "sound" : "yes", permitted: purposes },
    { id: "deny", words: purposes.includes("recording_audio") ? "none" : "no", permitted: [] },
  ];
}

/** What to say when an answer did not arrive. */
export function decisionTrouble(error: unknown, words: ConsentWords): string {
  if (error instanceof CannotSign) return words.unsigned;
  const problem = asProblem(error);
  return problem.code === "CONSENT_MISMATCH" ? words.renewed : problemMessage(problem);
}

export interface ConsentDialogProps {
  prompt: ConsentPrompt;
  /** Sends the decision; a rejection is shown here. */
  onDecide: (permitted: readonly Purpose[], text: ConsentText) => Promise<void>;
}

export function ConsentDialog({ prompt, onDecide }: ConsentDialogProps): JSX.Element {
  const read = useConsentText(prompt.text, prompt.version);
  const [sending, setSending] = useState<string | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const text = read.state.kind === "shown" ? read.state.text : null;
  const tag = text?.language ?? read.language;
  const words = wordsIn(tag);

  useEffect(() => {
    // Browsers close a dialog on the second Escape, whatever the page says: this one needs an answer.
    const hold = (event: KeyboardEvent): void => {
      if (event.key === "Escape") event.preventDefault();
    };
    document.addEventListener("keydown", hold, true);
    return () => document.removeEventListener("keydown", hold, true);
  }, []);

  const decide = async (choice: Choice): Promise<void> => {
    if (text === null || sending !== null) return;
    setSending(choice.id);
    setTrouble(null);
    try {
      await onDecide(choice.permitted, text);
    } catch (error) {
      setTrouble(decisionTrouble(error, words));
      if (asProblem(error).code === "CONSENT_MISMATCH") read.reload();
    } finally {
      setSending(null);
    }
  };

  const intro =
    prompt.recording === null
      ? null
      : prompt.changed
        ? words.changed_text
        : prompt.newcomer
          ? words.newcomer
          : fill(words.asked_by, { name: prompt.askedBy });
  const offered = choices(text?.purposes ?? []);
  return (
    <div dir={direction(tag)} lang={tag}>
      <Dialog
        title={prompt.recording === null ? words.interpreter : words.recording}
        wide
        dismissible={false}
        onClose={() => undefined}
        actions={
          <div class={`consent__answers consent__answers--${offered.length}`}>
            {offered.map((choice) => (
              <Button
                key={choice.id}
                size="large"
                disabled={text === null}
                busy={sending === choice.id}
                buttonRef={testId(`consent-${choice.id}`)}
                onClick={() => void decide(choice)}
              >
                {words[choice.words]}
              </Button>
            ))}
          </div>
        }
      >
        <div class="stack" data-testid="consent-dialog" data-recording={prompt.recording ?? ""} data-text={prompt.text}>
          {intro && <p class="soft">{intro}</p>}
          <ConsentTextView read={read} />
          {prompt.recording !== null && <Notice icon="shield">{words.no_change}</Notice>}
          {trouble && <Notice kind="danger">{trouble}</Notice>}
        </div>
      </Dialog>
    </div>
  );
}

/** The same words to look at again, or to read out to somebody. */
export function ConsentReading({ text, version, title, onClose }: {
  text: string;
  version: string | null;
  title: string;
  onClose: () => void;
}): JSX.Element {
  const read = useConsentText(text, version);
  return (
    <Dialog title={title} wide onClose={onClose}>
      <div data-testid="consent-reading">
        <ConsentTextView read={read} />
      </div>
    </Dialog>
  );
}
