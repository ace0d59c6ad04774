// The tokens keep their promises: both dark blocks agree, and text is readable on every surface in both themes.
import { describe, expect, it } from "vitest";
import css from "./tokens.css?raw";

type Tokens = Map<string, string>;

function block(start: number): Tokens {
  const body = css.slice(css.indexOf("{", start) + 1, css.indexOf("}", start));
  return new Map([...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map((match) => [match[1] ?? "", match[2] ?? ""]));
}

const light = block(css.indexOf(":root {"));
const bySystem = block(css.indexOf(':root:not([data-theme="light"])'));
const byChoice = block(css.indexOf(':root[data-theme="dark"]'));
const dark: Tokens = new Map([...light, ...byChoice]);

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(tokens: Tokens, ink: string, back: string): number {
  const [a, b] = [luminance(tokens.get(ink) ?? ""), luminance(tokens.get(back) ?? "")];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const SURFACES = ["--paper", "--surface", "--surface-sunk", "--surface-raised"];
const TEXT: [string, string][] = [
  ...["--ink", "--ink-soft", "--ink-faint", "--brand", "--danger"].flatMap((ink) =>
    SURFACES.map((back): [string, string] => [ink, back]),
  ),
  ["--on-brand", "--brand"],
  ["--on-brand", "--brand-strong"],
  ["--on-brand-soft", "--brand-soft"],
  ["--on-clay-soft", "--clay-soft"],
  ["--on-danger", "--danger"],
  ["--on-danger", "--danger-strong"],
  ["--on-danger-soft", "--danger-soft"],
  ["--on-warning-soft", "--warning-soft"],
  ["--on-success-soft", "--success-soft"],
  ["--on-info-soft", "--info-soft"],
  ["--on-stage", "--stage-raised"],
  ["--on-stage-soft", "--stage-raised"],
];

describe.each([
  ["light", light],
  ["dark", dark],
])("the %s theme", (_name, tokens) => {
  it.each(TEXT)("keeps %s readable on %s (4.5:1)", (ink, back) => {
    expect(contrast(tokens, ink, back)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(SURFACES)("keeps controls and focus visible on %s (3:1)", (back) => {
    expect(contrast(tokens, "--line-strong", back)).toBeGreaterThanOrEqual(3);
    expect(contrast(tokens, "--focus", back)).toBeGreaterThanOrEqual(3);
  });
});

describe("dark by choice and dark by system", () => {
  it("are the same", () => {
    expect([...bySystem]).toEqual([...byChoice]);
  });
});
