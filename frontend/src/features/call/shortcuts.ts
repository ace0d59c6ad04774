// Keyboard shortcuts of a call. All of them need Alt: a bare letter would fire while somebody types or dictates (WCAG 2.1.4).
import { useEffect, useRef } from "preact/hooks";

export type Shortcuts = Readonly<Record<string, () => void>>;

/** The letter of a shortcut, or null. By the key's place where Alt makes another character of it, as on a Mac. */
export function shortcutOf(event: Pick<KeyboardEvent, "altKey" | "ctrlKey" | "metaKey" | "shiftKey" | "code">): string | null {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return null;
  const match = /^Key([A-Z])$/.exec(event.code);
  return match?.[1] ?? null;
}

export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      // A question on the screen comes first.
      if (event.repeat || document.querySelector("dialog[open]") !== null) return;
      const letter = shortcutOf(event);
      const act = letter === null ? undefined : latest.current[letter];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}
