// What every form does when it is sent with something missing.

/** Moves the focus to the first field that is marked wrong, once the marks are drawn. */
export function focusFirstError(form: HTMLElement): void {
  requestAnimationFrame(() => {
    form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  });
}
