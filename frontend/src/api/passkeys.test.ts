import { describe, expect, it } from "vitest";
import { toBytes, toText } from "./passkeys";

describe("base64url", () => {
  it("survives both ways, whatever the bytes", () => {
    for (const bytes of [[], [0], [255, 254], [1, 2, 3, 250, 251, 252, 253]]) {
      const text = toText(Uint8Array.from(bytes).buffer);
      expect(text).not.toMatch(/[+/=]/);
      expect([...toBytes(text)]).toEqual(bytes);
    }
  });
});
