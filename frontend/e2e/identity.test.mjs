// People and their accounts, in real browsers: an invited colleague sets a password, adds a passkey and an app, signs in with each;
// administrators change, suspend and reset; break-glass; codes for links; moving to another device. Passkeys are made by Chromium's
// virtual authenticator. Every new page is looked at in all sizes and both themes.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before } from "node:test";
import { agreesToCare, api, launch, newConsultation, patientToLobby, profile, signIn, startServer, until, story } from "./harness.mjs";
import { everywhere, findings } from "./looks.mjs";

let server, browser, administrator, nora, clinician, auditor;
const PASSWORD = "copper lantern drifts sideways";

const step = story(() => assert.deepEqual(findings.splice(0), []));

const person = (options = {}) => profile(browser, { reducedMotion: "reduce", ...options });
const open = (page, path) => page.goto(`${server.origin}${path}`);
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
const button = (page, name) => page.getByRole("button", { name, exact: true });

/** RFC 6238, with SHA-1, six digits, 30 s. */
function totp(secret, at = Date.now()) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const hash = createHmac("sha1", key).update(counter).digest();
  const offset = hash[19] & 15;
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A device with a finger print reader that always recognises its owner. */
async function authenticator({ context, page }) {
  const session = await context.newCDPSession(page);
  await session.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true };
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options });
  return { session, authenticatorId };
}

before(async () => {
  server = await startServer();
  browser = await launch();
  [administrator, nora, clinician, auditor] = await Promise.all([person(), person(), person(), person()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

step("an administrator invites a colleague, who alone chooses the password", async () => {
  const { page } = administrator;
  await signIn(page, server, "administrator");
  await heading(page, "Users");
  await everywhere(administrator, "users");
  await button(page, "Add a user").click();
  await button(page, "Make the account").click();
  await page.getByText("Please fill this in.").first().waitFor();
  await everywhere(administrator, "users-add-mistakes");
  await page.getByLabel("Name", { exact: true }).fill("Dr. Nora Berg");
  await page.getByLabel("User name").fill("nora");
  await button(page, "Make the account").click();
  const link = await page.getByLabel("The link to give").inputValue();
  assert.match(link, /\/set-password\/[0-9a-f-]{36}#[\w-]{43}$/);
  await everywhere(administrator, "users-link");
  await button(page, "Close").last().click();

  await nora.page.goto(link);
  await nora.page.getByText("Your user name is nora").waitFor();
  await everywhere(nora, "set-password");
  const [first, second] = [nora.page.getByLabel("New password", { exact: true }), nora.page.getByLabel("New password again")];
  await first.fill("passwordpassword");
  await second.fill("passwordpassword");
  await button(nora.page, "Set the password").click();
  await nora.page.getByText("is guessed early").waitFor();
  await first.fill(PASSWORD);
  await second.fill(PASSWORD);
  await button(nora.page, "Set the password").click();
  await nora.page.getByText("Your password is set").waitFor();
  await nora.page.reload();
  await nora.page.getByText("was used already").waitFor();
  await everywhere(nora, "set-password-used");
});

async function withPassword(page) {
  await open(page, "/sign-in");
  await page.getByLabel("User name").fill("nora");
  await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
  await button(page, "Sign in").click();
}

async function signOut(page) {
  await page.getByRole("button", { name: "Account and settings" }).click();
  await button(page, "Sign out").click();
  await page.getByText("You are signed out").waitFor();
}

let codes;
step("a passkey is added, gives recovery codes, and signs in alone and as the second factor", async () => {
  const { page } = nora;
  await authenticator(nora);
  await withPassword(page);
  await heading(page, "Consultations");
  await open(page, "/account");
  await heading(page, "Your account");
  await everywhere(nora, "account");
  await button(page, "Add a passkey").click();
  await page.getByLabel("Name of this passkey").fill("Work laptop");
  await page.getByRole("dialog").getByRole("button", { name: "Add a passkey" }).click();
  await page.getByTestId("recovery-codes").waitFor();
  codes = await page.getByTestId("recovery-codes").locator("li").allInnerTexts();
  assert.equal(codes.length, 10);
  await everywhere(nora, "account-codes");
  await button(page, "I have kept them").click();
  await page.getByText("Work laptop").first().waitFor();
  await everywhere(nora, "account-with-passkey");
  await signOut(page);
  await button(page, "Sign in with a passkey").click();
  await heading(page, "Consultations");
  await signOut(page);
  await withPassword(page);
  await heading(page, "One more step");
  await everywhere(nora, "second-factor");
  assert.equal((await api(page, "GET", "/me")).status, 401, "half-way is not in");
  await button(page, "Use a passkey").click();
  await heading(page, "Consultations");
});

step("an authenticator app is set up by a picture drawn here; its codes work once; a recovery code helps out", async () => {
  const { page } = nora;
  await open(page, "/account");
  await button(page, "Set up an app").click();
  await page.getByRole("img", { name: "QR code for your authenticator app" }).waitFor();
  await everywhere(nora, "account-app");
  const secret = await page.getByLabel("Or type this key").inputValue();
  await page.getByLabel("Then enter the code it shows").fill("000000");
  await page.getByRole("dialog").getByRole("button", { name: "Continue" }).click();
  await page.getByText("was not accepted").waitFor();
  await page.getByLabel("Then enter the code it shows").fill(totp(secret));
  await page.getByRole("dialog").getByRole("button", { name: "Continue" }).click();
  await page.getByText("The app was added").waitFor();
  await signOut(page);

  const other = await person();
  await withPassword(other.page);
  await heading(other.page, "One more step");
  await other.page.getByLabel("Code from your authenticator app").fill(totp(secret, Date.now() + 30_000));
  await button(other.page, "Continue").click();
  await heading(other.page, "Consultations");
  await open(other.page, "/account");
  await other.page.getByTestId("sessions").getByText("this browser").waitFor();

  const third = await person();
  await withPassword(third.page);
  await button(third.page, "I have lost my device").click();
  await third.page.getByLabel("Recovery code").fill(codes[0].toUpperCase());
  await everywhere(third, "second-factor-recovery");
  await button(third.page, "Continue").click();
  await heading(third.page, "Consultations");
  await open(third.page, "/account");
  await third.page.getByText("9 codes left").waitFor();
  await everywhere(third, "account-sessions");
  // one signs the other browser out from here
  await third.page.getByTestId("sessions").getByRole("button", { name: /Sign out there/ }).first().click();
  await third.page.getByText("That session was ended").waitFor();
  await other.page.reload();
  await other.page.waitForURL((url) => url.pathname === "/sign-in");
  await other.context.close();
  await third.context.close();
});

step("what is dangerous asks again who one is, and then goes on", async () => {
  const { page } = administrator;
  await open(page, "/users");
  // the server's clock cannot be moved from here: its first answer is put off, the proof and the second are its own
  let asked = 0;
  await page.route("**/api/v1/users", async (route) => {
    if (route.request().method() !== "POST" || asked++ > 0) return route.continue();
    return route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify({ code: "REAUTHENTICATE" }) });
  });
  await button(page, "Add a user").click();
  await page.getByLabel("Name", { exact: true }).fill("Ola Nilsen");
  await page.getByLabel("User name").fill("ola");
  await page.getByLabel("Role").selectOption("auditor");
  await button(page, "Make the account").click();
  await page.getByText("Show that it is you").waitFor();
  await everywhere(administrator, "proof");
  await page.getByLabel("Your password").fill("wrong");
  await page.getByRole("dialog").last().getByRole("button", { name: "Continue" }).click();
  await page.getByText("That is not your password").waitFor();
  await page.getByLabel("Your password").fill(server.password("administrator"));
  await page.getByRole("dialog").last().getByRole("button", { name: "Continue" }).click();
  await page.getByLabel("The link to give").waitFor();
  await page.unroute("**/api/v1/users");
  await button(page, "Close").last().click();
});

step("a suspended colleague is out at once, and comes back when restored", async () => {
  const theirs = await person();
  await authenticator(theirs);
  await withPassword(theirs.page);
  await button(theirs.page, "I have lost my device").click();
  await theirs.page.getByLabel("Recovery code").fill(codes[1]);
  await button(theirs.page, "Continue").click();
  await heading(theirs.page, "Consultations");
  const { page } = administrator;
  await open(page, "/users");
  await page.getByRole("button", { name: "Manage (Dr. Nora Berg)" }).click();
  await everywhere(administrator, "users-manage");
  await button(page, "Suspend").click();
  await everywhere(administrator, "users-suspend");
  await button(page, "Suspend").click();
  await page.getByText("Dr. Nora Berg is suspended").waitFor();
  await theirs.page.waitForURL((url) => url.pathname === "/sign-in");
  await theirs.page.getByText("Your sign-in expired").waitFor();
  await page.getByRole("button", { name: "Manage (Dr. Nora Berg)" }).click();
  await button(page, "Restore").click();
  await page.getByText("may sign in again").waitFor();
  await theirs.context.close();
});

let visit;
step("a colleague breaks the glass, everything says so, and an administrator sees it", async () => {
  await signIn(clinician.page, server, "clinician");
  visit = await newConsultation(clinician.page, server);
  const { page } = nora;
  await open(page, "/sign-in");
  await button(page, "Sign in with a passkey").click();
  await heading(page, "Consultations");
  await open(page, `/consultations/${visit.id}`);
  await page.getByText("This consultation is a colleague's").waitFor();
  await everywhere(nora, "emergency-offer");
  await page.getByLabel("What has happened").fill("The patient collapsed while waiting");
  await button(page, "Take emergency access").click();
  await page.getByText("Your name, the time and the reason").waitFor();
  await everywhere(nora, "emergency-sure");
  await button(page, "Yes, it is an emergency").click();
  await heading(page, "Quillon Abernathy");
  await page.getByText("You are here by emergency access").waitFor();
  await everywhere(nora, "emergency-held");

  await open(administrator.page, "/emergencies");
  await administrator.page.getByText("The patient collapsed while waiting").waitFor();
  await until("the count in the menu", async () => (await administrator.page.locator(".nav .badge").first().innerText()) === "1");
  await everywhere(administrator, "emergencies");
  await button(administrator.page, "I have seen it").click();
  await administrator.page.getByText("Seen by Mira Patel").waitFor();
  await everywhere(administrator, "emergencies-seen");
  await button(page, "Give it back").click();
  await heading(page, "Consultations");
});

step("the auditor finds it marked, reviews who can do what, and signs the log off", async () => {
  const { page } = auditor;
  await signIn(page, server, "auditor");
  await page.getByText("took emergency access").first().waitFor();
  await button(page, "Sign off a review").click();
  await page.getByLabel("What you found").selectOption("follow_up");
  await button(page, "Sign off").click();
  await page.getByText("Say what is to be followed up.").waitFor();
  await everywhere(auditor, "audit-review");
  await page.getByLabel(/^Note/).fill("Ask Dr. Berg about the emergency access");
  await button(page, "Sign off").click();
  await page.getByText(/Entries 1 to \d+, by Jonas Weber/).waitFor();
  await everywhere(auditor, "audit-reviewed");
  await open(page, "/users/access");
  await page.getByText("Dr. Ana Ruiz").click();
  await page.getByText("play_recording").first().waitFor();
  await everywhere(auditor, "access");
  const [file] = await Promise.all([page.waitForEvent("download"), button(page, "Download as CSV").click()]);
  assert.match(file.suggestedFilename(), /^access-review-\d{4}-\d\d-\d\d\.csv$/);
});

step("a scheduler plans for a clinician; the patient gives a code and moves to another device", async () => {
  const scheduler = await person();
  const { page } = scheduler;
  await signIn(page, server, "scheduler");
  await heading(page, "Consultations");
  await everywhere(scheduler, "scheduler-consultations");
  await open(page, "/consultations/new");
  await page.locator(".choice").first().click();
  await page.getByRole("combobox", { name: "For which clinician?" }).waitFor();
  await everywhere(scheduler, "scheduler-new");
  await page.getByRole("combobox", { name: "For which clinician?" }).selectOption({ label: "Dr. Ana Ruiz" });
  await button(page, "Plan consultation").click();
  await page.getByRole("link", { name: "Open the consultation" }).click();
  await button(page, "Invite someone").click();
  await page.getByLabel("They take part as").selectOption("related_person");
  await page.getByLabel(/They must also give a code/).check();
  await everywhere(scheduler, "invite-with-code");
  await button(page, "Make the link").click();
  const link = await page.getByLabel("The link to send").inputValue();
  const code = (await page.getByTestId("link-code").locator(".fresh-link__digits").innerText()).trim();
  await everywhere(scheduler, "link-with-code");

  const guest = await person();
  await guest.page.goto(link);
  await guest.page.getByLabel("Code from the clinic").fill(code === "000000" ? "000001" : "000000");
  await guest.page.getByTestId("join-button").click();
  await guest.page.getByText("That is not the right code").waitFor();
  await everywhere(guest, "join-code");
  await guest.page.getByLabel("Code from the clinic").fill(code);
  await guest.page.getByTestId("join-button").click();
  await guest.page.getByTestId("name-input").fill("Rosa");
  await guest.page.getByTestId("continue").click();
  await agreesToCare(guest.page);
  await guest.page.getByTestId("device-continue").click();
  await guest.page.getByTestId("lobby").waitFor();
  await guest.page.getByTestId("move-away").click();
  const moving = (await guest.page.getByTestId("device-code").locator(".move-away__digits").innerText()).trim();
  await everywhere(guest, "lobby-move");

  const phone = await person();
  await phone.page.goto(link);
  await phone.page.getByTestId("move-here").waitFor();
  await everywhere(phone, "join-move");
  await phone.page.getByLabel("Code from your other device").fill(moving);
  await button(phone.page, "Continue here").click();
  await phone.page.getByTestId("device-continue").click();
  await phone.page.getByTestId("lobby").waitFor();
  await until("the first device is out", async () => (await guest.page.getByTestId("lobby").count()) === 0);
  await Promise.all([scheduler, guest, phone].map(({ context }) => context.close()));
});

step("a records officer looks after a recording", async () => {
  const officer = await person();
  const { page } = officer;
  await signIn(page, server, "records");
  await heading(page, "Recordings");
  await everywhere(officer, "officer-recordings");
  // one that was asked for is enough to be kept
  await clinician.page.goto(`${server.origin}/consultations/${visit.id}/call`);
  await clinician.page.getByTestId("staff-join").click();
  await clinician.page.getByTestId("control-end").waitFor(); // the room has them
  const asked = await api(clinician.page, "POST", `/consultations/${visit.id}/recordings`);
  assert.equal(asked.status, 201, asked.text);
  await open(page, `/recordings/${asked.json.id}`);
  await button(page, "Place a hold").click();
  await page.getByLabel("Reason").fill("Case 12/2026");
  await page.getByRole("dialog").getByRole("button", { name: "Place a hold" }).click();
  await page.getByText("The hold was placed").waitFor();
  await button(page, "Grant playback").click();
  await page.getByLabel(/User name of a clinician/).fill("nora");
  await page.getByLabel("Reason").fill("Second opinion");
  await everywhere(officer, "officer-grant");
  await page.getByRole("dialog").getByRole("button", { name: "Grant playback" }).click();
  await page.getByText("Granted.").waitFor();
  await page.getByText("Dr. Nora Berg").waitFor();
  await everywhere(officer, "officer-custody");
  await officer.context.close();
});
