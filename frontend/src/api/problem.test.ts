import { beforeAll, describe, expect, it } from "vitest";
import { language } from "../messages";
import { asProblem, Problem, problemMessage, problemOf } from "./problem";

describe("problemOf", () => {
  it("reads the stable code, the detail, the request and the fields", () => {
    const problem = problemOf(
      422,
      { code: "VALIDATION", detail: "name is too long", request_id: "r1", fields: [{ name: "name", message: "too long" }, { name: 3 }] },
      null,
    );
    expect(problem).toMatchObject({ code: "VALIDATION", status: 422, detail: "name is too long", requestId: "r1" });
    expect(problem.field("name")).toBe("too long");
    expect(problem.fields).toHaveLength(1);
  });

  it("falls back to the status when the answer has no code that it knows", () => {
    expect(problemOf(403, null, null).code).toBe("FORBIDDEN");
    expect(problemOf(413, "<html>", null).code).toBe("BODY_TOO_LARGE");
    expect(problemOf(502, { code: 7 }, null).code).toBe("NETWORK");
    expect(problemOf(418, { code: "TEAPOT" }, null).code).toBe("INTERNAL");
  });

  it("reads the seconds to wait", () => {
    expect(problemOf(429, { code: "THROTTLED" }, "12").retryAfter).toBe(12);
    expect(problemOf(429, { code: "THROTTLED" }, "soon").retryAfter).toBe(null);
  });
});

describe("problemMessage", () => {
  beforeAll(() => {
    language.value = "en";
  });

  it("speaks the reader's language, not the server's", () => {
    expect(problemMessage(new Problem("INVITATION_USED", 409, "used"))).toContain("another browser");
    language.value = "es";
    expect(problemMessage(new Problem("INVITATION_USED", 409, "used"))).toContain("otro navegador");
    language.value = "en";
  });

  it("says how long to wait", () => {
    expect(problemMessage(new Problem("THROTTLED", 429, null, null, [], 1))).toBe("Too many attempts. Please wait 1 second.");
  });
});

describe("asProblem", () => {
  it("keeps a problem and wraps anything else", () => {
    const problem = new Problem("CONFLICT", 409);
    expect(asProblem(problem)).toBe(problem);
    expect(asProblem(new TypeError("x")).code).toBe("INTERNAL");
  });
});
