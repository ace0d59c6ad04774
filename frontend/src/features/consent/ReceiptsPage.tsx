// A person's own decisions, opened by the private link: receipts to keep, and a press to withdraw each.
// Invariant: the secret is read from the fragment and sent in bodies alone.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { api } from "../../api/client";
import { asProblem, problemMessage } from "../../api/problem";
import type { Consent, Disposition, ReceiptPage } from "../../api/types";
import { language as pageLanguage } from "../../messages";
import "../../messages/call";
import "../../styles/call.css";
import { useAction, useResource } from "../../state/resource";
import { Badge, Button, Dialog, EmptyState, MessagePage, Notice, Page, ProblemNotice, Spinner } from "../../ui";
import { testId } from "../call/testId";
import { download } from "../../state/download";
import { Receipt } from "./Receipt";
import { sign } from "./signing";
import { direction, fill, firstLanguage, ownName, rememberLanguage, TEXT_LANGUAGES, wordsIn, type ConsentWords } from "./words";

const BADGES = { permit: "success", deny: "neutral", withdrawn: "warning" } as const;

function decided(words: ConsentWords, consent: Consent): string {
  return { permit: words.agreed, deny: words.not_agreed, withdrawn: words.withdrawn }[consent.decision];
}

function isAboutTheSignature(error: unknown): boolean {
  const { code } = asProblem(error);
  return code === "CONSENT_MISMATCH" || code === "CONSENT_INCOMPLETE" || code === "CONSENT_SIGNATURE";
}

function about(consent: Consent): { recording: string } | { text: string } {
  return consent.recording_id === null ? { text: consent.text } : { recording: consent.recording_id };
}

export default function ReceiptsPage({ linkId }: { linkId: string }): JSX.Element {
  const secret = location.hash.slice(1);
  const [tag, setTag] = useState(() => firstLanguage(TEXT_LANGUAGES, pageLanguage.peek()));
  const words = wordsIn(tag);
  const receipts = useResource(() => api.openReceipts(linkId, secret), [linkId]);
  const [asked, setAsked] = useState<Consent | null>(null);
  const [read, setRead] = useState<ReceiptPage | null>(null);
  const [done, setDone] = useState<Disposition | "none" | null>(null);
  const moment = (at: string): string => new Intl.DateTimeFormat(tag, { dateStyle: "long", timeStyle: "short" }).format(new Date(at));

  const go = useAction(async (consent: Consent) => {
    const signed = await sign(
      { text: consent.text, version: consent.version, language: consent.language, digest: consent.digest, shown: consent.shown },
      {
        consultation: consent.consultation_id,
        participant: consent.participant_id,
        person: consent.person ?? "",
        recording: consent.recording_id,
        decision: "withdrawn",
        permitted: [],
        denied: [...consent.permitted, ...consent.denied],
        capacity: consent.capacity,
        representative:
          consent.representative_name === null
            ? null
            : { name: consent.representative_name, relationship: consent.representative_relationship ?? "" },
      },
    ).catch(() => null); // nobody is held to a consent because their browser cannot sign
    const recorded = await api.withdrawByLink(linkId, secret, about(consent), signed).catch((error: unknown) => {
      // Nor because of what the signature says, such as words that were replaced meanwhile.
      if (signed === null || !isAboutTheSignature(error)) throw error;
      return api.withdrawByLink(linkId, secret, about(consent), null);
    });
    setAsked(null);
    setDone(recorded.what_was_recorded ?? "none");
    receipts.reload();
  });
  const take = useAction(async (consent: Consent, form: "json" | "pdf") => {
    download(await api.takeReceipt(linkId, secret, consent.id, form), `consent-${consent.id}.${form}`);
  });

  const show = useAction(async (consent: Consent) => setRead(await api.readReceipt(linkId, secret, consent.id)));
  const trouble = take.problem ?? show.problem;

  if (receipts.problem !== null) {
    return receipts.problem.status === 404 || receipts.problem.code === "MALFORMED" ? (
      <div dir={direction(tag)} lang={tag} data-testid="receipts-gone">
        <MessagePage title={words.receipts_gone} text={words.receipts_gone_text} />
      </div>
    ) : (
      <Page title={words.receipts} width="narrow">
        <ProblemNotice problem={receipts.problem} onRetry={receipts.reload} />
      </Page>
    );
  }
  const data = receipts.data;
  const intro = data ? fill(words.receipts_intro, { clinic: data.clinic_name, when: moment(data.expires_at) }) : undefined;
  return (
    <div dir={direction(tag)} lang={tag}>
      <Page title={words.receipts} intro={intro} width="narrow">
        <div class="stack" data-testid="receipts">
          <label class="consent__language">
            <span>{words.language}</span>
            <select
              data-testid="receipts-language"
              value={tag}
              onChange={(event) => {
                rememberLanguage(event.currentTarget.value);
                setTag(event.currentTarget.value);
              }}
            >
              {TEXT_LANGUAGES.map((one) => (
                <option key={one} value={one} lang={one}>
                  {ownName(one)}
                </option>
              ))}
            </select>
          </label>
          {done !== null && (
            <Notice kind="success">
              <p>{words.done}</p>
              {done !== "none" && <p data-testid="what-was-recorded">{words[done]}</p>}
            </Notice>
          )}
          {trouble && <Notice kind="danger">{problemMessage(trouble)}</Notice>}
          {data === null ? (
            <Spinner label={words.loading} />
          ) : data.consents.length === 0 ? (
            <EmptyState icon="document" title={words.receipts_none} />
          ) : (
            <ul class="consents">
              {data.consents.map(({ title, consent }, index) => (
                <li key={consent.id} class="stack stack--tight consents__one card" data-testid={`receipt-${index}`} data-decision={consent.decision}>
                  <div class="row row--spread">
                    <h2 lang={consent.language} dir={direction(consent.language)}>
                      {title}
                    </h2>
                    <Badge kind={BADGES[consent.decision]}>{decided(words, consent)}</Badge>
                  </div>
                  <p class="small soft">
                    {moment(consent.decided_at)}
                    {!consent.stands && ` · ${words.replaced}`}
                  </p>
                  <div class="row">
                    <Button icon="document" buttonRef={testId(`receipt-show-${index}`)} onClick={() => void show.run(consent)}>
                      {words.show}
                    </Button>
                    <Button variant="quiet" icon="download" buttonRef={testId(`receipt-pdf-${index}`)} onClick={() => void take.run(consent, "pdf")}>
                      {words.paper}
                    </Button>
                    <Button variant="quiet" icon="download" buttonRef={testId(`receipt-json-${index}`)} onClick={() => void take.run(consent, "json")}>
                      {words.file}
                    </Button>
                    {consent.decision === "permit" && consent.stands && (
                      <Button variant="danger-quiet" buttonRef={testId(`receipt-withdraw-${index}`)} onClick={() => setAsked(consent)}>
                        {words.withdraw}
                      </Button>
                    )}
                  </div>
                </li>
              ))}
            </ul>
          )}
        </div>
      </Page>
      {read && <Receipt page={read} onClose={() => setRead(null)} />}
      {asked && (
        <Dialog
          title={words.withdraw_ask}
          onClose={() => setAsked(null)}
          actions={
            <>
              <Button onClick={() => setAsked(null)}>{words.cancel}</Button>
              <Button variant="danger" busy={go.busy} buttonRef={testId("receipt-withdraw-yes")} onClick={() => void go.run(asked)}>
                {words.withdraw}
              </Button>
            </>
          }
        >
          <p>{words.no_change}</p>
          {go.problem && <Notice kind="danger">{problemMessage(go.problem)}</Notice>}
        </Dialog>
      )}
    </div>
  );
}
