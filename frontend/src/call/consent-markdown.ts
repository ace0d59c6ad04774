/**
 * Reads the small markdown of consent texts: paragraphs, "## " headings, "- " lists and **bold**. Nothing else is
 * markup, so whatever else a text contains is shown exactly as it is written. The result is data, never HTML.
 */

export interface Span {
  readonly text: string;
  readonly bold: boolean;
}

export type Block =
  | { readonly kind: "heading"; readonly spans: readonly Span[] }
  | { readonly kind: "paragraph"; readonly spans: readonly Span[] }
  | { readonly kind: "list"; readonly items: readonly (readonly Span[])[] };

export function parseConsentText(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let paragraph: string[] = [];
  let items: string[] = [];
  const finish = (): void => {
    if (paragraph.length > 0) blocks.push({ kind: "paragraph", spans: spans(paragraph.join(" ")) });
    if (items.length > 0) blocks.push({ kind: "list", items: items.map(spans) });
    paragraph = [];
    items = [];
  };
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === "") {
      finish();
    } else if (line.startsWith("## ")) {
      finish();
      blocks.push({ kind: "heading", spans: spans(line.slice(3).trim()) });
    } else if (line.startsWith("- ")) {
      if (paragraph.length > 0) finish();
      items.push(line.slice(2).trim());
    } else if (items.length > 0 && /^\s/.test(raw)) {
      // An indented line continues its list item.
      items[items.length - 1] += ` ${line}`;
    } else {
      if (items.length > 0) finish();
      paragraph.push(line);
    }
  }
  finish();
  return blocks;
}

/** An unpaired `**` stays as it is written. */
function spans(text: string): readonly Span[] {
  const parts = text.split("**");
  if (parts.length % 2 === 0) {
    const rest = parts.pop() ?? "";
    parts[parts.length - 1] += `**${rest}`;
  }
  return parts
    .map((part, index) => ({ text: part, bold: index % 2 === 1 }))
    .filter((span) => span.text !== "");
}
