// Passkeys in the browser (W3C Web Authentication): JSON from the server in, JSON for the server out.
// Invariant: a person who closes the browser's dialog sees one clear sentence, never an exception's name.
import { Problem } from "./problem";

/** What the server gives for `navigator.credentials`. */
export interface PasskeyOptions {
  publicKey: Record<string, unknown>;
}

export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

export function toText(bytes: ArrayBuffer): string {
  let plain = "";
  for (const byte of new Uint8Array(bytes)) plain += String.fromCharCode(byte);
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

type Named = { id: string };

function withBytes(list: unknown): unknown[] {
  return Array.isArray(list) ? list.map((one: Named) => ({ ...one, id: toBytes(one.id) })) : [];
}

/** Whether this browser can do it at all. */
export function passkeysWork(): boolean {
  return typeof window !== "undefined" && "PublicKeyCredential" in window && "credentials" in navigator;
}

function refused(): Problem {
  return new Problem("PASSKEY", 0);
}

/** Makes a passkey. */
export async function createPasskey({ publicKey }: PasskeyOptions): Promise<unknown> {
  const user = publicKey["user"] as Named;
  const options = {
    ...publicKey,
    challenge: toBytes(publicKey["challenge"] as string),
    user: { ...user, id: toBytes(user.id) },
    excludeCredentials: withBytes(publicKey["excludeCredentials"]),
  } as unknown as PublicKeyCredentialCreationOptions;
  const made = await navigator.credentials.create({ publicKey: options }).catch(() => null);
  if (!(made instanceof PublicKeyCredential)) throw refused();
  const response = made.response as AuthenticatorAttestationResponse;
  return {
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    response: {
      attestationObject: toText(response.attestationObject),
      clientDataJSON: toText(response.clientDataJSON),
      transports: response.getTransports?.() ?? [],
    },
    extensions: {},
  };
}

/** Shows a passkey. */
export async function showPasskey({ publicKey }: PasskeyOptions): Promise<unknown> {
  const options = {
    ...publicKey,
    challenge: toBytes(publicKey["challenge"] as string),
    allowCredentials: withBytes(publicKey["allowCredentials"]),
  } as unknown as PublicKeyCredentialRequestOptions;
  const shown = await navigator.credentials.get({ publicKey: options }).catch(() => null);
  if (!(shown instanceof PublicKeyCredential)) throw refused();
  const response = shown.response as AuthenticatorAssertionResponse;
  return {
    id: shown.id,
    rawId: toText(shown.rawId),
    type: shown.type,
    response: {
      authenticatorData: toText(response.authenticatorData),
      clientDataJSON: toText(response.clientDataJSON),
      signature: toText(response.signature),
      userHandle: response.userHandle ? toText(response.userHandle) : null,
    },
    extensions: {},
  };
}
