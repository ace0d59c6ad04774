// The chat of the consultation. What is typed stays in the field until it can be sent as one message.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { MAX_CHAT_TEXT } from "../../call/protocol";
import type { CallState } from "../../call/model";
import { t } from "../../messages";
import { formatTime } from "../../messages/dates";
import { Button } from "../../ui";
import { testId } from "./testId";

export function ChatPanel({ chat, onSend }: { chat: CallState["chat"]; onSend: (text: string) => boolean }): JSX.Element {
  const [text, setText] = useState("");
  const [tooLong, setTooLong] = useState(false);
  const log = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    log.current?.scrollTo({ top: log.current.scrollHeight });
  }, [chat.entries.length]);
  useEffect(() => field.current?.focus(), []);
  const send = (): void => {
    const words = text.trim();
    if (words === "") return;
    const sent = onSend(words);
    setTooLong(!sent);
    if (sent) setText("");
    field.current?.focus();
  };
  return (
    <div class="chat" data-testid="chat">
      <p class="chat__note small soft">{t("call.chat.note")}</p>
      <div class="chat__log" ref={log} role="log" aria-label={t("call.chat.log")} tabIndex={0}>
        {chat.entries.length === 0 && <p class="chat__empty soft">{t("call.chat.empty")}</p>}
        {chat.entries.map((entry) => (
          <div
            key={`${entry.from}/${entry.id}`}
            class={entry.own ? "chat__entry chat__entry--own" : "chat__entry"}
            data-testid="chat-message"
            data-delivery={entry.delivery}
          >
            <p class="chat__who">
              {entry.own ? t("call.you") : entry.name}
              <span class="chat__when">
                {entry.delivery === "sending" ? t("call.chat.sending") : formatTime(new Date(entry.at).toISOString())}
              </span>
            </p>
            <p class="chat__text">{entry.text}</p>
          </div>
        ))}
      </div>
      <form
        class="chat__form"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        {!chat.open && <p class="small soft">{t("call.chat.waiting")}</p>}
        {tooLong && (
          <p class="field__error" role="alert">
            {t("call.chat.too_long")}
          </p>
        )}
        <div class="input-group">
          <textarea
            ref={field}
            class="input chat__field"
            rows={1}
            value={text}
            maxLength={MAX_CHAT_TEXT}
            aria-label={t("call.chat.field")}
            placeholder={t("call.chat.field")}
            data-testid="chat-input"
            onInput={(event) => {
              setText(event.currentTarget.value);
              setTooLong(false);
            }}
            onKeyDown={(event) => {
              // Enter sends, but not the Enter that ends the composition of a character.
              if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              send();
            }}
          />
          <Button type="submit" variant="primary" icon="send" label={t("call.chat.send")} buttonRef={testId("chat-send")} />
        </div>
      </form>
    </div>
  );
}
