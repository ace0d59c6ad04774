// A real server on free ports with fresh demo data, and real Chromium with fake devices, for each test file.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
export const bedside = process.env.BEDSIDE_BIN ?? join(target, "debug/bedside");
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
];

/** Which devices the machine has and what the person answers when the page asks for them. */
const DEVICES = {
  allow: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--auto-select-desktop-capture-source=Entire screen"],
  /** The answer is the test's, given with `context.grantPermissions`. */
  ask: ["--use-fake-device-for-media-stream"],
  microphone: ["--use-fake-device-for-media-stream=device-count=0", "--use-fake-ui-for-media-stream"],
  none: ["--use-fake-ui-for-media-stream"],
};

/** Steps of one story: each stands on the one before, so after the first failure the rest could only wait in vain. */
export function story(afterwards = () => {}) {
  let broken = null;
  return (name, act) =>
    test(name, async () => {
      assert.equal(broken, null, `not tried, because this failed before: ${broken}`);
      broken = name;
      await act();
      broken = null;
      afterwards();
    });
}

export const PATIENCE = 20_000;

/** Waits until `check` gives something true; says what it waited for when it does not. */
export async function until(what, check, patience = PATIENCE) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) assert.fail(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function startServer({ data = mkdtempSync(join(tmpdir(), "bedside-e2e-")) } = {}) {
  assert.ok(existsSync(bedside), `${bedside} is not built`);
  const child = spawn(bedside, ["serve", "--demo", "--data", data, "--listen", "127.0.0.1:0", "--media-listen", "127.0.0.1:0"], { cwd: root });
  let out = "";
  let log = "";
  child.stdout.on("data", (bytes) => (out += bytes));
  child.stderr.on("data", (bytes) => (log += bytes));
  await until("the server's welcome", () => {
    assert.equal(child.exitCode, null, `the server ended: ${log}`);
    return out.includes("Stop with Ctrl+C");
  });
  const origin = /running at (\S+)/.exec(out)[1];
  const password = (username) => new RegExp(`^\\s*\\S+\\s+${username}\\s+(\\S+)\\s*$`, "m").exec(out)[1];
  return {
    origin, data, password,
    log: () => log,
    out: () => out,
    async stop() {
      child.kill("SIGTERM");
      await until("the server's end", () => child.exitCode !== null);
      assert.equal(child.exitCode, 0, log);
    },
    async kill() {
      child.kill("SIGKILL");
      await until("the server's death", () => child.signalCode !== null);
    },
    forget: () => rmSync(data, { recursive: true, force: true }),
  };
}

/** A browser with those devices, that lets pages make sounds or waits for a touch. */
export async function launch({ devices = "allow", autoplay = "allow" } = {}) {
  const policy = autoplay === "allow" ? "no-user-gesture-required" : "user-gesture-required";
  return chromium.launch({ executablePath: browserPath, headless: true, args: [...FLAGS, ...DEVICES[devices], `--autoplay-policy=${policy}`] });
}

/** A profile of its own with one page; what goes wrong in it is collected. */
export async function profile(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/the server responded with a status of 4\d\d/.test(message.text())) trouble.push(message.text());
  });
  return { context, page, trouble };
}

export async function signIn(page, server, username) {
  await page.goto(`${server.origin}/sign-in`);
  await page.getByLabel("User name").fill(username);
  await page.getByLabel("Password", { exact: true }).fill(server.password(username));
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

/** Enters a patient, starts a consultation now and gives its id and the patient's link. */
export async function newConsultation(page, server, { identifier = "MRN-1001", name = "Quillon Abernathy" } = {}) {
  await page.goto(`${server.origin}/consultations/new`);
  await page.getByRole("button", { name: "Add a new patient" }).click();
  await page.getByLabel("Patient number").fill(identifier);
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("Date of birth").fill("1971-02-03");
  await page.getByRole("button", { name: "Save patient" }).click();
  await page.getByRole("button", { name: "Start consultation" }).click();
  const link = await page.getByLabel("The link to send").inputValue();
  assert.match(link, /\/join\/[0-9a-f-]{36}#[\w-]{43}$/);
  const href = await page.getByRole("link", { name: "Go to the call" }).getAttribute("href");
  return { link, id: href.split("/")[2] };
}

/** The clinician goes into the call. */
export async function clinicianJoins(page, server, id) {
  await page.goto(`${server.origin}/consultations/${id}/call`);
  await page.getByTestId("staff-join").click();
  await page.getByTestId("call").waitFor();
}

/** From the link past the name to the first question. */
export async function patientToConsent(page, link, name = "Quillon") {
  await page.goto(link);
  await page.getByTestId("join-button").click();
  await page.getByTestId("name-input").fill(name);
  await page.getByTestId("continue").click();
}

/** Agrees to care by video. */
export async function agreesToCare(page) {
  await page.getByTestId("consent-step").waitFor();
  await page.getByTestId("consent-permit").click();
}

/** The patient goes from the link to the waiting room; an interpreter or an observer is asked nothing on the way. */
export async function patientToLobby(page, link, name = "Quillon", { asked = true } = {}) {
  await patientToConsent(page, link, name);
  if (asked) await agreesToCare(page);
  await page.getByTestId("device-continue").click();
  await page.getByTestId("lobby").waitFor();
}

/** The clinician asks everyone for a recording with sound and picture, or with sound alone. */
export async function asksToRecord(page, what = "both") {
  await page.getByTestId("control-record").click();
  await page.getByTestId(`ask-${what}`).click();
}

export const call = (page) => page.getByTestId("call").first();
export const attribute = async (page, name) => call(page).getAttribute(name);

/** Waits for picture and sound from the others. */
export async function hearsAndSees(page, what) {
  await until(`${what}: connected`, async () => (await attribute(page, "data-connection")) === "connected");
  const frames = Number(await attribute(page, "data-frames"));
  await until(`${what}: decoded frames rising`, async () => Number(await attribute(page, "data-frames")) > frames + 10);
  const energy = Number(await attribute(page, "data-audio-energy"));
  await until(`${what}: audio energy rising`, async () => Number(await attribute(page, "data-audio-energy")) > energy);
}

/** Every file below a folder. */
export function files(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

export const parts = (server) => files(join(server.data, "demo/recordings")).filter((path) => path.endsWith(".part"));
export const read = (path) => readFileSync(path);

/** Asks the API with the page's cookies. */
export function api(page, method, path, body) {
  return page.evaluate(
    async ([method, path, body]) => {
      const init = { method };
      if (method !== "GET") Object.assign(init, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
      const answer = await fetch(`/api/v1${path}`, init);
      const text = await answer.text();
      let json = null;
      try { json = JSON.parse(text); } catch { /* not JSON */ }
      return { status: answer.status, json, text };
    },
    [method, path, body],
  );
}

/** Where pictures are kept for people to look at. */
export async function picture(page, name) {
  if (process.env.PICTURES) await page.screenshot({ path: join(process.env.PICTURES, `${name}.png`) });
}
