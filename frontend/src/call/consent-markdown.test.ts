import { expect, it } from "vitest";
import { parseConsentText } from "./consent-markdown";

const plain = (text: string): { text: string; bold: boolean } => ({ text, bold: false });

it("reads headings, paragraphs over several lines, lists and bold", () => {
  const text = "## What is recorded\n\nYour **voice** and\nyour picture.\n- sound\n- picture\n  of the camera\n\nThank you.";
  expect(parseConsentText(text)).toEqual([
    { kind: "heading", spans: [plain("What is recorded")] },
    { kind: "paragraph", spans: [plain("Your "), { text: "voice", bold: true }, plain(" and your picture.")] },
    { kind: "list", items: [[plain("sound")], [plain("picture of the camera")]] },
    { kind: "paragraph", spans: [plain("Thank you.")] },
  ]);
});

it("takes nothing else for markup", () => {
  const text = '<img src=x onerror="alert(1)"> [link](javascript:alert(1)) `code` # heading';
  expect(parseConsentText(text)).toEqual([{ kind: "paragraph", spans: [plain(text)] }]);
});

it("leaves an unpaired ** as it is written", () => {
  expect(parseConsentText("a **b** c ** d")).toEqual([
    { kind: "paragraph", spans: [plain("a "), { text: "b", bold: true }, plain(" c ** d")] },
  ]);
});

it("reads Windows line ends and an empty text", () => {
  expect(parseConsentText("a\r\n\r\nb\r\n")).toHaveLength(2);
  expect(parseConsentText("")).toEqual([]);
});
