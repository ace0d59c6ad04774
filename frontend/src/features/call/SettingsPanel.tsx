// Devices, language, appearance and the keyboard shortcuts, during a call.
import type { JSX } from "preact";
import type { CallSession } from "../../call/session";
import { t } from "../../messages";
import { LanguageSwitch, ThemeSwitch } from "../../ui";
import { DevicePickers } from "./DevicePickers";
import { DeviceTrouble, troubleOf } from "./DeviceTrouble";
import { useLocalView } from "./hooks";

export function SettingsPanel({ session }: { session: CallSession }): JSX.Element {
  const view = useLocalView(session.media);
  const trouble = troubleOf(view);
  return (
    <div class="stack" data-testid="settings">
      {trouble && <DeviceTrouble trouble={trouble} onRetry={() => void session.media.retry()} />}
      <DevicePickers media={session.media} view={view} />
      <LanguageSwitch wide />
      <ThemeSwitch wide />
      <section class="stack stack--tight shortcuts">
        <h3>{t("call.shortcut.title")}</h3>
        <p class="small soft">{t("call.shortcut.hint")}</p>
        <dl class="shortcuts__list">
          {(
            [
              ["M", "call.shortcut.microphone"],
              ["V", "call.shortcut.camera"],
              ["C", "call.shortcut.chat"],
              ["P", "call.shortcut.people"],
              ...(session.state.snapshot?.self.may_admit ? ([["A", "call.shortcut.admit"]] as const) : []),
            ] as const
          ).map(([key, words]) => (
            <div key={key}>
              <dt>
                <kbd>Alt</kbd>+<kbd>{key}</kbd>
              </dt>
              <dd>{t(words)}</dd>
            </div>
          ))}
        </dl>
      </section>
    </div>
  );
}
