// A link within the site that does not load the page anew. It stays a real link: new tab, copy address and no script all work.
import type { ComponentChildren, JSX } from "preact";
import { navigate } from "../router";

export interface LinkProps {
  href: string;
  class?: string;
  "aria-current"?: "page" | undefined;
  "aria-label"?: string | undefined;
  onClick?: () => void;
  children: ComponentChildren;
}

/** Handles a press on a link, unless the person asked the browser for something else with it. */
export function followLink(event: MouseEvent, href: string): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  navigate(href);
}

export function Link({ href, onClick, children, ...rest }: LinkProps): JSX.Element {
  return (
    <a
      href={href}
      {...rest}
      onClick={(event) => {
        onClick?.();
        followLink(event, href);
      }}
    >
      {children}
    </a>
  );
}
