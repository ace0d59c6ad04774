// Personal values of an entry (RFC 9901, section 4.2): each is shown only if the entry has its digest.

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function fromBase64url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
}

/** Name and value of a disclosure; null if the entry does not have its digest under that name. */
export async function readDisclosure(entry: { personal?: Record<string, string> }, disclosure: string): Promise<[string, string] | null> {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(fromBase64url(disclosure)));
  if (!Array.isArray(parsed) || parsed.length !== 3 || !parsed.every((part) => typeof part === "string")) return null;
  const [, name, value] = parsed as [string, string, string];
  const digest = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(disclosure))));
  return entry.personal?.[name] === digest ? [name, value] : null;
}
