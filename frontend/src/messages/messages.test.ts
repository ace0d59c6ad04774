import { describe, expect, it } from "vitest";
import { CODES } from "../api/problem";
import { chooseLanguage, format, type Message, type Messages } from ".";
import auditEn from "./en/audit";
import callEn from "./en/call";
import commonEn from "./en/common";
import identityEn from "./en/identity";
import joinEn from "./en/join";
import staffEn from "./en/staff";
import auditEs from "./es/audit";
import callEs from "./es/call";
import commonEs from "./es/common";
import identityEs from "./es/identity";
import joinEs from "./es/join";
import staffEs from "./es/staff";

const NAMESPACES: Record<string, { en: Messages; es: Messages }> = {
  common: { en: commonEn, es: commonEs },
  identity: { en: identityEn, es: identityEs },
  staff: { en: staffEn, es: staffEs },
  audit: { en: auditEn, es: auditEs },
  join: { en: joinEn, es: joinEs },
  call: { en: callEn, es: callEs },
};

function placeholders(message: Message): string[] {
  const text = typeof message === "string" ? message : message.other;
  return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ""))].sort();
}

describe.each(Object.entries(NAMESPACES))("the %s catalogue", (_name, { en, es }) => {
  it("has the same keys in every language", () => {
    expect(Object.keys(es).sort()).toEqual(Object.keys(en).sort());
  });

  it("has the same placeholders and plural shapes in every language", () => {
    for (const [key, message] of Object.entries(en)) {
      const other = es[key];
      if (other === undefined) continue;
      expect([key, typeof other]).toEqual([key, typeof message]);
      expect([key, placeholders(other)]).toEqual([key, placeholders(message)]);
    }
  });

  it("leaves nothing empty", () => {
    for (const message of [...Object.values(en), ...Object.values(es)]) {
      for (const text of typeof message === "string" ? [message] : [message.one, message.other]) expect(text.trim()).not.toBe("");
    }
  });
});

describe("the catalogues together", () => {
  it("use each key once", () => {
    const keys = Object.values(NAMESPACES).flatMap(({ en }) => Object.keys(en));
    expect(keys.filter((key, i) => keys.indexOf(key) !== i)).toEqual([]);
  });

  it("have words for every problem code", () => {
    expect(CODES.filter((code) => !(`error.${code}` in commonEn))).toEqual([]);
  });
});

describe("format", () => {
  it("fills placeholders, formats numbers for the language, and leaves unknown placeholders visible", () => {
    expect(format("{a} of {b} {c}", { a: "x", b: 12345 }, "en")).toBe("x of 12,345 {c}");
    expect(format("{b}", { b: 12345 }, "es")).toBe("12.345");
  });

  it("chooses the plural form by count", () => {
    const message = { one: "{count} person", other: "{count} people" };
    expect(format(message, { count: 1 }, "en")).toBe("1 person");
    expect(format(message, { count: 0 }, "en")).toBe("0 people");
  });

  it("does not read a value's braces as placeholders", () => {
    expect(format("{a}", { a: "{b}", b: "secret" }, "en")).toBe("{b}");
  });
});

describe("chooseLanguage", () => {
  it("prefers the address, then the earlier choice, then the browser's languages", () => {
    expect(chooseLanguage("?lang=es", "en", ["en-US"])).toBe("es");
    expect(chooseLanguage("", "es", ["en-US"])).toBe("es");
    expect(chooseLanguage("", null, ["fr", "es-MX", "en"])).toBe("es");
  });

  it("falls back to English for languages it does not speak", () => {
    expect(chooseLanguage("?lang=xx", "zz", ["fr"])).toBe("en");
  });
});
