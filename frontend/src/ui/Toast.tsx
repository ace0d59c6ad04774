// Short news at the bottom of the page, and a live region that only screen readers hear.
// Nothing that a person must act on is told here alone.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { t } from "../messages";
import { Button } from "./Button";

interface Item {
  id: number;
  text: string;
}

const items = signal<Item[]>([]);
const spoken = signal("");
let last = 0;

const SHOWN_MS = 7000; // long enough to read two lines slowly

function dismiss(id: number): void {
  items.value = items.value.filter((item) => item.id !== id);
}

/** Shows a line for a few seconds; it is also spoken. */
export function toast(text: string): void {
  last += 1;
  const id = last;
  items.value = [...items.value.slice(-2), { id, text }];
  window.setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Speaks a line to screen readers without showing it. */
export function announce(text: string): void {
  spoken.value = "";
  window.setTimeout(() => {
    spoken.value = text;
  }, 50); // a region must change to be read, even when the same words come again
}

/** Stands once on every page. */
export function LiveRegions(): JSX.Element {
  return (
    <>
      <div class="quietly" role="status" aria-live="polite">
        {spoken.value}
      </div>
      <div class="toasts" role="status" aria-live="polite">
        {items.value.map((item) => (
          <div class="toast" key={item.id}>
            <span>{item.text}</span>
            <Button variant="quiet" icon="close" label={t("action.dismiss")} onClick={() => dismiss(item.id)} />
          </div>
        ))}
      </div>
    </>
  );
}
