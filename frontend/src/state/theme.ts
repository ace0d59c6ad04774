// Light or dark: the system's choice unless the person made one of their own.
import { effect, signal } from "@preact/signals";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const STORE = "bedside.theme";

function stored(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(STORE)) ?? "auto";
  } catch {
    return "auto";
  }
}

export const theme = signal<Theme>(stored());

export function setTheme(next: Theme): void {
  theme.value = next;
  try {
    localStorage.setItem(STORE, next);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
}

effect(() => {
  if (theme.value === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
});
