import { expect, it } from "vitest";
import { shortcutOf } from "./shortcuts";

const press = (code: string, change: object = {}) => ({
  altKey: true,
  ctrlKey: false,
  metaKey: false,
  shiftKey: false,
  code,
  ...change,
});

it("needs Alt alone, so that typing never mutes", () => {
  expect(shortcutOf(press("KeyM"))).toBe("M");
  expect(shortcutOf(press("KeyM", { altKey: false }))).toBeNull();
  expect(shortcutOf(press("KeyM", { ctrlKey: true }))).toBeNull();
  expect(shortcutOf(press("Digit1"))).toBeNull();
});
