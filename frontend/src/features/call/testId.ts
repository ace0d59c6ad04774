// Names elements for browser tests through the `ref` that the component library passes on.
// Invariant: the same id always gives the same function, so a redraw does not detach and attach it again.

const known = new Map<string, (element: HTMLElement | null) => void>();

/** A ref that sets `data-testid`. */
export function testId(id: string): (element: HTMLElement | null) => void {
  const existing = known.get(id);
  if (existing) return existing;
  const mark = (element: HTMLElement | null): void => {
    if (element) element.dataset["testid"] = id;
  };
  known.set(id, mark);
  return mark;
}
