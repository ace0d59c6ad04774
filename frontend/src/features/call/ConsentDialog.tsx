// Asks for consent to a recording, with the exact text of the clinic's policy.
// Invariants: what is sent names the very text that was on the screen (version, language and digest as the server gave them);
// the two answers look alike; the question cannot be closed without an answer.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, problemMessage } from "../../api/problem";
import type { ConsentText } from "../../api/types";
import { parseConsentText, type Span } from "../../call/consent-markdown";
import type { ConsentPrompt } from "../../call/view";
import { language, t, type Language } from "../../messages";
import { Badge, Button, Dialog, LanguageSwitch, Notice, Spinner } from "../../ui";
import { testId } from "./testId";

function Spans({ spans }: { spans: readonly Span[] }): JSX.Element {
  return <>{spans.map((span, index) => (span.bold ? <strong key={index}>{span.text}</strong> : span.text))}</>;
}

/** The text as it is written: paragraphs, headings, lists and bold, made of elements. */
export function ConsentBody({ body }: { body: string }): JSX.Element {
  const blocks = parseConsentText(body).map((block, index): ComponentChildren => {
    switch (block.kind) {
      case "heading":
        return (
          <h4 key={index}>
            <Spans spans={block.spans} />
          </h4>
        );
      case "paragraph":
        return (
          <p key={index}>
            <Spans spans={block.spans} />
          </p>
        );
      case "list":
        return (
          <ul key={index}>
            {block.items.map((item, at) => (
              <li key={at}>
                <Spans spans={item} />
              </li>
            ))}
          </ul>
        );
    }
  });
  return <div class="consent__text">{blocks}</div>;
}

type Loading = { kind: "loading" } | { kind: "failed" } | { kind: "shown"; text: ConsentText };

/** The text in that language, or in English where the clinic has not translated it. */
async function load(text: string, version: string, tag: Language): Promise<ConsentText> {
  try {
    return await api.consentText(text, version, tag);
  } catch (error) {
    if (tag === "en" || asProblem(error).status !== 404) throw error;
    return api.consentText(text, version, "en");
  }
}

export interface ConsentDialogProps {
  prompt: ConsentPrompt;
  /** Sends the decision; a rejection is shown here. */
  onDecide: (decision: "permit" | "deny", text: ConsentText) => Promise<void>;
}

export function ConsentDialog({ prompt, onDecide }: ConsentDialogProps): JSX.Element {
  const [loading, setLoading] = useState<Loading>({ kind: "loading" });
  const [attempt, setAttempt] = useState(0);
  const [sending, setSending] = useState<"permit" | "deny" | null>(null);
  const [trouble, setTrouble] = useState<string | null>(null);
  const tag = language.value;

  useEffect(() => {
    let current = true;
    setLoading({ kind: "loading" });
    load(prompt.text, prompt.version, tag).then(
      (text) => current && setLoading({ kind: "shown", text }),
      () => current && setLoading({ kind: "failed" }),
    );
    return () => {
      current = false;
    };
  }, [prompt.text, prompt.version, tag, attempt]);

  useEffect(() => {
    // Browsers close a dialog on the second Escape, whatever the page says: this one needs an answer.
    const hold = (event: KeyboardEvent): void => {
      if (event.key === "Escape") event.preventDefault();
    };
    document.addEventListener("keydown", hold, true);
    return () => document.removeEventListener("keydown", hold, true);
  }, []);

  const decide = async (decision: "permit" | "deny"): Promise<void> => {
    if (loading.kind !== "shown" || sending !== null) return;
    setSending(decision);
    setTrouble(null);
    try {
      await onDecide(decision, loading.text);
    } catch (error) {
      const problem = asProblem(error);
      setTrouble(problem.code === "CONSENT_MISMATCH" ? t("call.consent.changed") : problemMessage(problem));
      if (problem.code === "CONSENT_MISMATCH") setAttempt((n) => n + 1);
    } finally {
      setSending(null);
    }
  };

  const text = loading.kind === "shown" ? loading.text : null;
  return (
    <Dialog
      title={t("call.consent.title")}
      wide
      dismissible={false}
      onClose={() => undefined}
      actions={
        <div class="consent__answers">
          <Button
            size="large"
            disabled={text === null}
            busy={sending === "permit"}
            buttonRef={testId("consent-permit")}
            onClick={() => void decide("permit")}
          >
            {t("call.consent.allow")}
          </Button>
          <Button
            size="large"
            disabled={text === null}
            busy={sending === "deny"}
            buttonRef={testId("consent-deny")}
            onClick={() => void decide("deny")}
          >
            {t("call.consent.deny")}
          </Button>
        </div>
      }
    >
      <div class="stack" data-testid="consent-dialog" data-recording={prompt.recording}>
        <div class="row row--spread">
          <p class="soft">{prompt.newcomer ? t("call.consent.newcomer") : t("call.consent.asked_by", { name: prompt.askedBy })}</p>
          <LanguageSwitch />
        </div>
        {loading.kind === "loading" && <Spinner label={t("call.consent.loading")} />}
        {loading.kind === "failed" && (
          <Notice kind="danger">
            <p>{t("call.consent.unavailable")}</p>
            <Button icon="refresh" onClick={() => setAttempt((n) => n + 1)}>
              {t("action.retry")}
            </Button>
          </Notice>
        )}
        {text && (
          <article
            class="consent"
            lang={text.language}
            tabIndex={0}
            aria-label={text.title}
            data-testid="consent-text"
            data-digest={text.digest}
            data-language={text.language}
          >
            <h3>{text.title}</h3>
            <ConsentBody body={text.body} />
          </article>
        )}
        {text && (
          <p class="row small faint">
            <span>{t("call.consent.version", { text: text.text, version: text.version })}</span>
            {text.status === "sample" && <Badge kind="warning">{t("call.consent.sample")}</Badge>}
            {text.language !== tag && <Badge>{t("call.consent.not_in_language")}</Badge>}
          </p>
        )}
        <Notice icon="shield">{t("call.consent.no_change")}</Notice>
        {trouble && <Notice kind="danger">{trouble}</Notice>}
      </div>
    </Dialog>
  );
}
