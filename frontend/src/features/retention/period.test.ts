import { beforeAll, describe, expect, it } from "vitest";
import { language } from "../../messages";
import "../../messages/staff";
import { periodText } from "./period";

describe("periodText", () => {
  beforeAll(() => {
    language.value = "en";
  });

  it("says years for whole years, with or without their leap days", () => {
    expect(periodText(365)).toBe("1 year");
    expect(periodText(2555)).toBe("7 years");
    expect(periodText(2557)).toBe("7 years");
    expect(periodText(3650)).toBe("10 years");
  });

  it("says days for anything else", () => {
    expect(periodText(1)).toBe("1 day");
    expect(periodText(90)).toBe("90 days");
    expect(periodText(400)).toBe("400 days");
  });
});
