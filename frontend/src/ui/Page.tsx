// One page: its heading, its title in the browser, and where focus goes when a person arrives.
// Invariant: every page has exactly one h1, and arriving by navigation puts the focus there, so that a screen reader says it.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../messages";
import { navigations } from "../router";
import { clinicName } from "../state/config";
import { Button } from "./Button";
import { Icon } from "./Icon";
import { Link } from "./Link";

/** Sets the browser's title; for pages that do not use `Page`. */
export function useTitle(title: string): void {
  const clinic = clinicName();
  useEffect(() => {
    document.title = `${title} · ${clinic}`;
  }, [title, clinic]);
}

/** A ref for the h1 that takes the focus when the page was reached by navigation. */
export function useHeadingFocus(always = false): { current: HTMLHeadingElement | null } {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (always || navigations.count > 0) heading.current?.focus({ preventScroll: true });
  }, []);
  return heading;
}

export interface PageProps {
  title: string;
  /** Shown instead of `title`, when the heading needs more than words. */
  heading?: ComponentChildren;
  intro?: ComponentChildren;
  actions?: ComponentChildren;
  back?: { href: string; label: string };
  width?: "slim" | "narrow" | "normal";
  /** Takes the focus though the address stayed: the page replaced another one. */
  replaced?: boolean;
  children: ComponentChildren;
}

export function Page({ title, heading, intro, actions, back, width = "normal", replaced, children }: PageProps): JSX.Element {
  useTitle(title);
  const h1 = useHeadingFocus(replaced);
  return (
    <main id="content" tabIndex={-1} class={width === "normal" ? "page" : `page page--${width}`}>
      {back && (
        <Link href={back.href} class="page__back">
          <Icon name="arrow-left" size={18} />
          {back.label}
        </Link>
      )}
      <div class="page__head">
        <div class="page__titles">
          <h1 ref={h1} tabIndex={-1}>
            {heading ?? title}
          </h1>
          {intro && <p class="lead">{intro}</p>}
        </div>
        {actions && <div class="page__actions">{actions}</div>}
      </div>
      {children}
    </main>
  );
}

/** A page that says why there is nothing else. */
export function MessagePage(props: { title: string; text: string; children?: ComponentChildren }): JSX.Element {
  return (
    <Page title={props.title} intro={props.text} width="narrow">
      <div class="row">{props.children ?? <Button href="/">{t("notfound.home")}</Button>}</div>
    </Page>
  );
}
