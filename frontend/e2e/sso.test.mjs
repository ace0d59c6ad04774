// Single sign-on with a certified provider in a real browser: the way there and back, roles by claims, a second factor here when there was
// one factor there, signing out there too, and the provider's own word over the back channel.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { api, bedside, launch, profile, until } from "./harness.mjs";
import { everywhere, findings } from "./looks.mjs";
import { startProvider } from "./provider.mjs";

let provider, child, origin, folder, browser, greta;
let log = "";

/** A port that nobody has now. */
async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

before(async () => {
  const port = await freePort();
  origin = `http://localhost:${port}`;
  provider = await startProvider(origin);
  folder = mkdtempSync(join(tmpdir(), "bedside-sso-"));
  writeFileSync(join(folder, "client-secret"), "a secret that only the two of them know\n");
  writeFileSync(join(folder, "bedside.toml"), `
clinic_name = "Riverside Clinic"
listen = "127.0.0.1:${port}"
media_listen = "127.0.0.1:0"
public_origin = "${origin}"
database = "sqlite:${join(folder, "data/bedside.db")}"
recordings = "${join(folder, "recordings")}"
keys = "${join(folder, "keys")}"

[[provider]]
id = "clinic"
name = "Clinic account"
issuer = "${provider.issuer}"
client_id = "bedside"
client_secret_file = "${join(folder, "client-secret")}"
just_in_time = true
`);
  child = spawn(bedside, ["serve", "--config", join(folder, "bedside.toml")], { env: { ...process.env, RUST_LOG: "info" } });
  child.stdout.on("data", (bytes) => (log += bytes));
  child.stderr.on("data", (bytes) => (log += bytes));
  await until("the server", async () => {
    assert.equal(child.exitCode, null, log);
    return fetch(`${origin}/healthz`).then((answer) => answer.ok, () => false);
  });
  browser = await launch();
  greta = await profile(browser, { reducedMotion: "reduce" });
});
after(async () => {
  await browser?.close();
  child?.kill("SIGTERM");
  await until("the server's end", () => child === undefined || child.exitCode !== null);
  await provider?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const button = (page, name) => page.getByRole("button", { name, exact: true });

test("one signs in at the clinic's provider and is who the claims say", async () => {
  const { page } = greta;
  await page.goto(`${origin}/sign-in`);
  await button(page, "Sign in with Clinic account").waitFor();
  await everywhere(greta, "sign-in-provider");
  provider.become("greta", { name: "Greta Holm", preferred_username: "greta", groups: ["bedside-administrators"] });
  await button(page, "Sign in with Clinic account").click();
  await page.getByRole("heading", { level: 1, name: "Users" }).waitFor();
  const me = (await api(page, "GET", "/me")).json;
  assert.deepEqual([me.username, me.role, me.assurance, me.method], ["greta", "administrator", "multiple", "provider"]);
  assert.deepEqual(findings.splice(0), []);
});

test("the provider's word over the back channel ends the session here", async () => {
  const { page } = greta;
  await page.goto(`${provider.issuer}/session/end`);
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
  await page.goto(`${origin}/sign-in`);
  await until("the session is over", async () => (await api(page, "GET", "/me")).status === 401);
});

test("signing out here leads to the provider, and back", async () => {
  const { page } = greta;
  await page.goto(`${origin}/sign-in`);
  await button(page, "Sign in with Clinic account").click();
  await page.getByRole("heading", { level: 1, name: "Users" }).waitFor();
  await page.getByRole("button", { name: "Account and settings" }).click();
  await button(page, "Sign out").click();
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
  await page.waitForURL((url) => url.origin === origin && url.pathname === "/sign-in");
});

test("one factor there: a second is set up here, and asked for the next time; without a role nobody comes in", async () => {
  const person = await profile(browser, { reducedMotion: "reduce" });
  const { page } = person;
  provider.become("hugo", { name: "Hugo Lind", preferred_username: "hugo", groups: ["bedside-clinicians"] }, ["pwd"]);
  await page.goto(`${origin}/sign-in`);
  await button(page, "Sign in with Clinic account").click();
  await page.getByText("Set up a second factor first").waitFor();
  await everywhere(person, "account-missing");
  assert.equal((await api(page, "GET", "/consultations")).json.code, "SECOND_FACTOR_REQUIRED");
  const session = await person.context.newCDPSession(page);
  await session.send("WebAuthn.enable");
  await session.send("WebAuthn.addVirtualAuthenticator", { options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
  await button(page, "Add a passkey").click();
  await page.getByRole("dialog").getByRole("button", { name: "Add a passkey" }).click();
  await button(page, "I have kept them").click();
  await page.getByText("All set.").waitFor();
  await everywhere(person, "account-ready");
  await page.getByRole("link", { name: "Go on" }).click();
  await page.getByRole("heading", { level: 1, name: "Consultations" }).waitFor();
  await api(page, "POST", "/sign-out");
  await page.goto(`${origin}/sign-in`);
  await button(page, "Sign in with Clinic account").click();
  await page.getByRole("heading", { level: 1, name: "One more step" }).waitFor();
  await button(page, "Use a passkey").click();
  await page.getByRole("heading", { level: 1, name: "Consultations" }).waitFor();
  await person.context.close();

  const stranger = await profile(browser, { reducedMotion: "reduce" });
  provider.become("nils", { name: "Nils", preferred_username: "nils", groups: ["visitors"] });
  await stranger.page.goto(`${origin}/sign-in`);
  await button(stranger.page, "Sign in with Clinic account").click();
  await stranger.page.getByText("you have no role here").waitFor();
  await everywhere(stranger, "sign-in-no-role");
  await stranger.context.close();
  assert.deepEqual(findings.splice(0), []);
});

test("neither code nor state nor token stands in the log", () => {
  assert.ok(log.length > 0);
  assert.doesNotMatch(log, /code=|state=|eyJ/);
});
