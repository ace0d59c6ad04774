import { describe, expect, it } from "vitest";
import {
  MAX_CHAT_TEXT,
  MAX_MESSAGE_BYTES,
  ProtocolError,
  encodeChat,
  parseChat,
  parseClientMessage,
  parseServerMessage,
} from "./protocol";

interface Fixture {
  name: string;
  direction: "client" | "server";
  message: Record<string, unknown>;
}

// The very files that the server's tests read.
const files = import.meta.glob<{ default: Fixture[] }>("../../../tests/fixtures/signaling/*.json", { eager: true });
const fixtures = Object.entries(files).flatMap(([path, file]) =>
  file.default.map((fixture) => ({ ...fixture, kind: path.replace(/^.*\/(.*)\.json$/, "$1") })),
);
const parserOf = { client: parseClientMessage, server: parseServerMessage };
const snapshot = (change: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...fixtures.find((fixture) => fixture.name === "two in the call")?.message,
  ...change,
});

/** True when everything in `part` is in `whole` with the same value. */
function contains(whole: unknown, part: unknown): boolean {
  if (typeof part !== "object" || part === null) return Object.is(whole, part);
  if (typeof whole !== "object" || whole === null) return false;
  return Object.entries(part).every(([key, value]) => contains((whole as Record<string, unknown>)[key], value));
}

describe("the shared fixtures", () => {
  it("cover every message of the protocol", () => {
    expect([...new Set(fixtures.map((fixture) => fixture.kind))].sort()).toEqual([
      "answer",
      "error",
      "hello",
      "leave",
      "offer",
      "snapshot",
      "state",
    ]);
  });

  it.each(fixtures)("$kind: $name", (fixture) => {
    const parsed = parserOf[fixture.direction](JSON.stringify(fixture.message));
    expect(parsed.type).toBe(fixture.kind);
    // Nothing is invented: what was parsed is in the message, but for members that may be left out.
    const members = Object.entries(parsed).filter(([name]) => !["last_recording", "wanted", "declined"].includes(name));
    expect(contains(fixture.message, Object.fromEntries(members))).toBe(true);
  });

  it.each(fixtures)("$kind: $name is not taken for a message of the other direction", (fixture) => {
    const other = fixture.direction === "client" ? parseServerMessage : parseClientMessage;
    expect(() => other(JSON.stringify(fixture.message))).toThrow(ProtocolError);
  });
});

describe("a message of the server is rejected", () => {
  it.each([
    ["text that is not JSON", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["no type", "{}"],
    ["an unknown type", '{"type":"admin"}'],
    ["an answer without sdp", '{"type":"answer","key_epoch":0}'],
    ["an answer with a fractional epoch", '{"type":"answer","sdp":"","key_epoch":0.5}'],
    ["a negative epoch", '{"type":"answer","sdp":"","key_epoch":-1}'],
    ["a slot that does not exist", JSON.stringify(snapshot({ slots: [{ slot: 3, participant: "x" }] }))],
    ["an unknown status", JSON.stringify(snapshot({ consultation: { id: "x", status: "paused" } }))],
    ["participants that are no list", JSON.stringify(snapshot({ participants: {} }))],
    ["a recording in an unknown state", JSON.stringify(snapshot({ recording: { id: "r", state: "sealed" } }))],
    ["a missing recording", JSON.stringify(snapshot({ recording: undefined }))],
  ])("%s", (_name, text) => {
    expect(() => parseServerMessage(text)).toThrow(ProtocolError);
  });

  it("that is longer than 64 KiB", () => {
    const text = JSON.stringify({ type: "error", code: "X", detail: "a".repeat(MAX_MESSAGE_BYTES) });
    expect(() => parseServerMessage(text)).toThrow(ProtocolError);
  });
});

it("unknown members do not survive parsing", () => {
  const parsed = parseServerMessage('{"type":"error","code":"NEGOTIATION","detail":"d","evil":1}');
  expect(parsed).toEqual({ type: "error", code: "NEGOTIATION", detail: "d" });
});

describe("chat", () => {
  it("is read from the data channel", () => {
    expect(parseChat('{"id":"1","from":"a","text":"hola","x":1}')).toEqual({ id: "1", from: "a", text: "hola" });
  });

  it("rejects what has no sender", () => {
    expect(() => parseChat('{"id":"1","text":"hola"}')).toThrow(ProtocolError);
  });

  it("counts characters, not UTF-16 units", () => {
    expect(encodeChat({ id: "1", text: "é".repeat(MAX_CHAT_TEXT - 100) })).not.toBeNull();
    expect(encodeChat({ id: "1", text: "a".repeat(MAX_CHAT_TEXT) })).not.toBeNull();
    expect(encodeChat({ id: "1", text: "a".repeat(MAX_CHAT_TEXT + 1) })).toBeNull();
    expect(encodeChat({ id: "1", text: "" })).toBeNull();
  });

  it("never makes a frame above 4 KiB", () => {
    expect(encodeChat({ id: "1", text: "😀".repeat(1500) })).toBeNull();
  });
});
