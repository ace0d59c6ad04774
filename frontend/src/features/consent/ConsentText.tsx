// A consent text as it is written, in the language its reader chooses, with what belongs to it.
// Invariant: title and body on the screen are exactly what the server sent; a decision hashes the same two.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../../api/client";
import type { ConsentText } from "../../api/types";
import { parseConsentText, type Span } from "../../call/consent-markdown";
import { language as pageLanguage } from "../../messages";
import { Badge, Button, Notice, Spinner } from "../../ui";
import { direction, fill, firstLanguage, ownName, rememberLanguage, TEXT_LANGUAGES, wordsIn } from "./words";

function Spans({ spans }: { spans: readonly Span[] }): JSX.Element {
  return <>{spans.map((span, index) => (span.bold ? <strong key={index}>{span.text}</strong> : span.text))}</>;
}

/** The small Markdown of consent texts, with headings of this level. */
export function Body({ body, heading: Heading }: { body: string; heading: "h2" | "h3" | "h4" }): JSX.Element {
  const blocks = parseConsentText(body).map((block, index): ComponentChildren => {
    switch (block.kind) {
      case "heading":
        return (
          <Heading key={index}>
            <Spans spans={block.spans} />
          </Heading>
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

export type LoadedText = { kind: "loading" } | { kind: "failed" } | { kind: "shown"; text: ConsentText };

export interface ReadText {
  readonly state: LoadedText;
  /** The language asked for; the text may have come in English. */
  readonly language: string;
  readonly choose: (language: string) => void;
  readonly reload: () => void;
}

/** Loads a version of a text, in the language that is chosen for it. */
export function useConsentText(text: string, version: string | null): ReadText {
  const [language, setLanguage] = useState(() => firstLanguage(TEXT_LANGUAGES, pageLanguage.peek()));
  const [state, setState] = useState<LoadedText>({ kind: "loading" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let current = true;
    setState({ kind: "loading" });
    api.consentText(text, version, language).then(
      (loaded) => current && setState({ kind: "shown", text: loaded }),
      () => current && setState({ kind: "failed" }),
    );
    return () => {
      current = false;
    };
  }, [text, version, language, attempt]);
  const choose = (next: string): void => {
    rememberLanguage(next);
    setLanguage(next);
  };
  return { state, language, choose, reload: () => setAttempt((n) => n + 1) };
}

/** The text with its language chooser. On a page of its own the title is the page's. */
export function ConsentTextView({ read, page = false }: { read: ReadText; page?: boolean }): JSX.Element {
  const { state, language } = read;
  const text = state.kind === "shown" ? state.text : null;
  const tag = text?.language ?? language;
  const words = wordsIn(tag);
  return (
    <div class="stack" dir={direction(tag)} lang={tag}>
      <label class="consent__language">
        <span>{words.language}</span>
        <select
          data-testid="consent-language"
          value={tag}
          onChange={(event) => read.choose(event.currentTarget.value)}
        >
          {(text?.languages ?? [tag]).map((one) => (
            <option key={one} value={one} lang={one}>
              {ownName(one)}
            </option>
          ))}
        </select>
      </label>
      {state.kind === "loading" && <Spinner label={words.loading} />}
      {state.kind === "failed" && (
        <Notice kind="danger">
          <p>{words.unavailable}</p>
          <Button icon="refresh" onClick={read.reload}>
            {words.retry}
          </Button>
        </Notice>
      )}
      {text && (
        <article
          class="consent"
          tabIndex={0}
          aria-label={text.title}
          data-testid="consent-text"
          data-digest={text.digest}
          data-language={text.language}
        >
          {!page && <h3>{text.title}</h3>}
          <Body body={text.body} heading={page ? "h2" : "h4"} />
        </article>
      )}
      {text && (
        <p class="row small faint consent__version">
          <span>{fill(words.version, { text: text.text, version: text.version })}</span>
          {text.status === "sample" && <Badge kind="warning">{words.sample}</Badge>}
        </p>
      )}
    </div>
  );
}
