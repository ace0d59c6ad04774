// The API as its OpenAPI document describes it, tried by schemathesis with generated requests, signed in as each role and as nobody: no
// answer of 5xx, no status and no content type that the document does not name.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { startServer } from "./harness.mjs";

const tester = fileURLToPath(new URL("../../.tools/bin/schemathesis", import.meta.url));
/** What would end the session the run itself lives on, or slow everyone's sign-in down. */
const APART = "sign-out|/sign-in|/me/prove|/me/password|sign-in-sessions|reset-|suspend";

let server;
before(async () => {
  assert.ok(existsSync(tester), "schemathesis is missing: `scripts/needs.sh test` installs it below .tools");
  server = await startServer();
});
after(async () => {
  await server?.stop();
  server?.forget();
});

async function signedIn(username) {
  const answer = await fetch(`${server.origin}/api/v1/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username, password: server.password(username) }),
  });
  assert.equal(answer.status, 200);
  return answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).find((cookie) => cookie.startsWith("bedside-staff="));
}

/** Runs the tester; gives how many cases passed. */
async function tryAll(headers, filter) {
  const all = ["run", `${server.origin}/api/v1/openapi.json`, "--no-color", "--warnings", "off", "--seed", "1", "--max-examples", "10",
    "--phases", "examples,coverage,fuzzing", "--checks", "not_a_server_error,status_code_conformance,content_type_conformance",
    ...[`Origin: ${server.origin}`, "Content-Type: application/json", ...headers].flatMap((header) => ["--header", header]), ...filter];
  const child = spawn(tester, all, { cwd: tmpdir() });
  let out = "";
  child.stdout.on("data", (bytes) => (out += bytes));
  child.stderr.on("data", (bytes) => (out += bytes));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, out.slice(-12_000));
  return Number(/generated, (\d+) passed/.exec(out)?.[1] ?? 0);
}

for (const username of ["clinician", "scheduler", "auditor", "records", "administrator"]) {
  test(`signed in as ${username}, every answer is one that the document names`, async () => {
    const passed = await tryAll([`Cookie: ${await signedIn(username)}`], ["--exclude-path-regex", APART]);
    assert.ok(passed > 800, `${passed} cases`);
  });
}

test("signed in as nobody, every answer is one that the document names", async () => {
  const passed = await tryAll([], []);
  assert.ok(passed > 800, `${passed} cases`);
  assert.doesNotMatch(server.log(), /panicked| ERROR /);
});
