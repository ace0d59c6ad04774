// The two choices that everybody has: language and appearance.
import type { JSX } from "preact";
import { language, LANGUAGES, setLanguage, t, type Language } from "../messages";
import { setTheme, theme, THEMES } from "../state/theme";
import { Segmented } from "./Segmented";

const OWN_NAMES: Record<Language, string> = { en: "English", es: "Español" };

export function LanguageSwitch({ wide }: { wide?: boolean }): JSX.Element {
  return (
    <Segmented
      label={t("settings.language")}
      value={language.value}
      onChange={setLanguage}
      options={LANGUAGES.map((tag) => ({ value: tag, label: OWN_NAMES[tag], lang: tag }))}
      wide={wide ?? false}
    />
  );
}

export function ThemeSwitch({ wide }: { wide?: boolean }): JSX.Element {
  return (
    <Segmented
      label={t("settings.theme")}
      value={theme.value}
      onChange={setTheme}
      options={THEMES.map((value) => ({ value, label: t(`settings.theme.${value}`) }))}
      wide={wide ?? false}
    />
  );
}
