import { describe, expect, it } from "vitest";
import { checkPatient, EMPTY_PATIENT, newPatient, nextHalfHour } from "./patient-form";

const TODAY = "2026-03-12";
const GOOD = { identifier: "A-17", name: "Ana Ruiz", birthDate: "1980-05-01", language: "es", callBack: "" };

describe("checkPatient", () => {
  it("accepts a patient without a call-back number", () => {
    expect(checkPatient(GOOD, TODAY)).toEqual({});
  });

  it("names every field that is missing", () => {
    expect(Object.keys(checkPatient(EMPTY_PATIENT, TODAY))).toEqual(["identifier", "name", "birthDate"]);
  });

  it("refuses a birth in the future or before anyone alive", () => {
    expect(checkPatient({ ...GOOD, birthDate: "2026-03-13" }, TODAY).birthDate).toBe("patient.invalid.birth_date_future");
    expect(checkPatient({ ...GOOD, birthDate: "0198-05-01" }, TODAY).birthDate).toBe("patient.invalid.birth_date_range");
    expect(checkPatient({ ...GOOD, birthDate: TODAY }, TODAY)).toEqual({});
  });

  it("refuses words as a telephone number", () => {
    expect(checkPatient({ ...GOOD, callBack: "ask her" }, TODAY).callBack).toBe("patient.invalid.call_back");
    expect(checkPatient({ ...GOOD, callBack: "+34 600 11 22 33" }, TODAY)).toEqual({});
  });
});

describe("newPatient", () => {
  it("sends trimmed values and null for no number", () => {
    expect(newPatient({ ...GOOD, name: "  Ana   Ruiz ", callBack: "  " })).toEqual({
      identifier: "A-17",
      name: "Ana Ruiz",
      birth_date: "1980-05-01",
      language: "es",
      call_back_number: null,
    });
  });
});

describe("nextHalfHour", () => {
  it("goes over the hour and over midnight", () => {
    expect(nextHalfHour(new Date(2026, 2, 12, 9, 10))).toBe("2026-03-12T09:30");
    expect(nextHalfHour(new Date(2026, 2, 12, 23, 45))).toBe("2026-03-13T00:00");
  });
});
