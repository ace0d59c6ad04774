import { describe, expect, it } from "vitest";
import type { AccessReview } from "../../api/types";
import { accessCsv } from "./access-csv";

const review: AccessReview = {
  policy_digest: "d",
  made_at: "2026-01-02T03:04:05Z",
  users: [
    {
      id: "1",
      username: "ana",
      display_name: '=HYPERLINK("x")',
      role: "clinician",
      status: "active",
      created_at: "",
      last_sign_in_at: null,
      signs_in_with: ["password", "passkey"],
      recovery_codes_left: 1,
      may: [
        { operation: "play_recording", reach: "own, or granted" },
        { operation: "list_recordings", reach: "yes" },
      ],
    },
    {
      id: "2",
      username: "ben",
      display_name: "Ben",
      role: "auditor",
      status: "suspended",
      created_at: "",
      last_sign_in_at: "2026-01-01T00:00:00Z",
      signs_in_with: [],
      recovery_codes_left: 0,
      may: [],
    },
  ],
};

describe("the access review as CSV", () => {
  it("has a line for each operation, and one for somebody who may do nothing", () => {
    const lines = accessCsv(review).trim().split("\r\n");
    expect(lines).toHaveLength(4);
    expect(lines[1]).toContain('"play_recording","own, or granted"');
    expect(lines[3]).toContain('"ben","Ben","auditor","suspended"');
  });

  it("defuses what a spreadsheet would run, and keeps quotes whole", () => {
    expect(accessCsv(review)).toContain(`"'=HYPERLINK(""x"")"`);
  });
});
