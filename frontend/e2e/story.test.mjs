// The whole job in two browsers: sign in, link, lobby, call, chat, screen, consent, recording, withdrawal, playback, audit.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import {
  api, asksToRecord, attribute, bedside, call, clinicianJoins, files, hearsAndSees, launch, newConsultation, parts, patientToLobby, picture, profile, read, signIn, startServer, until, story,
} from "./harness.mjs";

let server, browser, clinician, patient, visit, link, decrypted;

const step = story();

before(async () => {
  server = await startServer();
  browser = await launch();
  clinician = await profile(browser);
  patient = await profile(browser, { viewport: { width: 390, height: 844 } });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

const state = async (page) => (await api(page, "GET", `/consultations/${visit}/recordings`)).json.recordings.at(-1);
const search = async (page, event) =>
  (await api(page, "POST", "/audit/search", { text: null, event, outcome: null, from: null, to: null, before: null, limit: 200 })).json.entries;

step("the clinician signs in, enters a patient and gets a link", async () => {
  await clinician.page.goto(server.origin);
  await clinician.page.waitForURL("**/sign-in**");
  await clinician.page.getByLabel("User name").fill("clinician");
  await clinician.page.getByLabel("Password", { exact: true }).fill("not the password");
  await clinician.page.getByRole("button", { name: "Sign in", exact: true }).click();
  await clinician.page.getByText("username or the password", { exact: false }).or(clinician.page.getByRole("alert")).first().waitFor();
  await signIn(clinician.page, server, "clinician");
  await clinician.page.waitForURL("**/consultations");
  await picture(clinician.page, "consultations-empty");
  ({ id: visit, link } = await newConsultation(clinician.page, server));
  await picture(clinician.page, "link");
});

step("opening the link uses nothing up; joining leads to the waiting room, and the clinician sees who waits", async () => {
  await patient.page.goto(link);
  await patient.page.getByTestId("data-notice").waitFor();
  assert.match(await patient.page.locator("main").innerText(), /Dr\. Ana Ruiz/);
  await picture(patient.page, "invitation");
  const invitations = (await api(clinician.page, "GET", `/consultations/${visit}/invitations`)).json.invitations;
  assert.equal(invitations[0].status, "open");
  await clinicianJoins(clinician.page, server, visit);
  await patientToLobby(patient.page, link);
  await picture(patient.page, "lobby");
  const notice = clinician.page.getByTestId("waiting-notice");
  await notice.waitFor();
  assert.match(await notice.innerText(), /Quillon/);
  await picture(clinician.page, "waiting");
  assert.equal(await patient.page.getByTestId("call").count(), 0, "no call before admission");
});

step("a reload in the waiting room keeps the place", async () => {
  await patient.page.reload();
  await patient.page.getByTestId("lobby").waitFor();
  await clinician.page.getByTestId("waiting-notice").waitFor();
});

step("after admission both see and hear each other", async () => {
  await clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
  await call(patient.page).waitFor();
  await Promise.all([hearsAndSees(clinician.page, "the clinician"), hearsAndSees(patient.page, "the patient")]);
  await picture(clinician.page, "call-clinician");
  await picture(patient.page, "call-patient");
});

step("chat reaches the other over the data channel", async () => {
  const open = async (page) => {
    if (!(await page.getByTestId("chat-input").isVisible())) await page.getByTestId("control-chat").click();
  };
  await open(patient.page);
  await patient.page.getByTestId("chat-input").fill("Can you see me?");
  await patient.page.getByTestId("chat-send").click();
  await open(clinician.page);
  await clinician.page.getByTestId("chat-message").filter({ hasText: "Can you see me?" }).waitFor();
  await clinician.page.getByTestId("chat-input").fill("Very well, thank you.");
  await clinician.page.getByTestId("chat-send").click();
  await patient.page.getByTestId("chat-message").filter({ hasText: "Very well, thank you." }).waitFor();
  await picture(patient.page, "chat");
  await patient.page.getByTestId("panel-close").first().click();
  await clinician.page.getByTestId("panel-close").first().click();
});

step("mute and camera off are told to the other", async () => {
  await patient.page.getByTestId("control-microphone").click();
  await patient.page.getByTestId("control-camera").click();
  const people = async () => {
    const who = (await api(clinician.page, "GET", `/consultations/${visit}/participants`)).json;
    return who.participants.length;
  };
  assert.equal(await people(), 2);
  const tile = clinician.page.getByTestId("tile").filter({ hasText: "Quillon" }).first();
  await until("the mute sign", async () => /mute|microphone/i.test(await tile.innerHTML()));
  await picture(clinician.page, "muted");
  const frames = Number(await attribute(clinician.page, "data-frames"));
  await patient.page.getByTestId("control-camera").click();
  await patient.page.getByTestId("control-microphone").click();
  await until("picture again", async () => Number(await attribute(clinician.page, "data-frames")) > frames + 10);
});

step("a shared screen arrives", async () => {
  await clinician.page.getByTestId("control-screen").click();
  await patient.page.locator('[data-testid="remote-video"][data-source="screen"]').waitFor();
  await until("the screen's frames", () =>
    patient.page.locator('[data-testid="remote-video"][data-source="screen"]').evaluate((video) => video.videoWidth > 0 && video.currentTime > 0));
  await picture(patient.page, "screen");
  await clinician.page.getByTestId("control-screen").click();
});

step("nothing is recorded before everyone permits, and a refusal leaves nothing behind", async () => {
  assert.deepEqual(parts(server), []);
  await asksToRecord(clinician.page);
  await patient.page.getByTestId("consent-dialog").waitFor();
  assert.match(await patient.page.getByTestId("consent-text").innerText(), /You can say no/);
  await picture(patient.page, "consent");
  assert.deepEqual(parts(server), []);
  await patient.page.getByTestId("consent-deny").click();
  await clinician.page.getByTestId("recording-outcome").first().waitFor();
  assert.equal((await state(clinician.page)).state, "refused");
  assert.deepEqual(parts(server), []);
  await hearsAndSees(patient.page, "the patient after a refusal");
});

async function askAndPermit() {
  await asksToRecord(clinician.page);
  await patient.page.getByTestId("consent-dialog").waitFor();
  await patient.page.getByTestId("consent-permit").click();
  assert.deepEqual(parts(server), [], "one yes is not enough");
  await clinician.page.getByTestId("consent-dialog").waitFor();
  await clinician.page.getByTestId("consent-permit").click();
  for (const { page } of [clinician, patient]) {
    await until("the indicator", async () => (await page.getByTestId("recording").first().getAttribute("data-state").catch(() => null)) === "active" || (await page.getByTestId("recording-time").count()) > 0);
  }
  await until("recorded parts", () => parts(server).length >= 4);
}

step("with everyone's consent it is recorded, shown to all, and a withdrawal stops it at once", async () => {
  await askAndPermit();
  await picture(patient.page, "recording");
  await until("six seconds of recording", async () => Date.now() - Date.parse((await state(clinician.page)).started_at) > 8_000, 30_000);
  await patient.page.getByTestId("recording-withdraw").click();
  const yes = patient.page.getByTestId(/withdraw.*-yes$/);
  if (await yes.isVisible().catch(() => false)) await yes.click();
  await clinician.page.getByTestId("recording-outcome").first().waitFor();
  await until("the seal", async () => (await state(clinician.page)).state === "sealed");
  const size = parts(server).reduce((sum, path) => sum + read(path).length, 0);
  await hearsAndSees(patient.page, "the patient after withdrawing");
  assert.equal(parts(server).reduce((sum, path) => sum + read(path).length, 0), size, "not one byte more");
});

step("a reload of either page rejoins the call without a new admission", async () => {
  await patient.page.reload();
  await hearsAndSees(patient.page, "the patient after a reload");
  await clinician.page.reload();
  if (await clinician.page.getByTestId("staff-join").isVisible().catch(() => false)) await clinician.page.getByTestId("staff-join").click();
  await hearsAndSees(clinician.page, "the clinician after a reload");
  await hearsAndSees(patient.page, "the patient after the clinician's reload");
});

step("ending for all releases camera and microphone and says goodbye", async () => {
  await clinician.page.getByTestId("control-end").click();
  await clinician.page.getByTestId(/end.*-yes$/).click();
  await patient.page.getByTestId("goodbye").waitFor();
  await picture(patient.page, "goodbye");
  assert.equal(await patient.page.locator("video").count(), 0);
});

step("the clinician plays the recording, side by side, with seeking", async () => {
  const { page } = clinician;
  const recording = await state(page);
  assert.equal(recording.withdrawn, "keep_until_review");
  const refused = await api(page, "POST", `/recordings/${recording.id}/playbacks`);
  assert.deepEqual([refused.status, refused.json.code], [409, "CONSENT_WITHDRAWN"]);
  const officer = await profile(browser);
  await signIn(officer.page, server, "records");
  assert.equal((await api(officer.page, "POST", `/recordings/${recording.id}/review`, { outcome: "keep" })).status, 204);
  await officer.context.close();
  await page.goto(`${server.origin}/recordings/${recording.id}`);
  const videos = page.locator("video");
  await until("two pictures", async () => (await videos.count()) >= 2);
  const facts = () => videos.evaluateAll((all) => all.map((v) => ({ width: v.videoWidth, ready: v.readyState, time: v.currentTime, duration: v.duration, error: v.error?.message ?? null })));
  await until("both loaded", async () => (await facts()).every((v) => v.ready >= 2 && v.width > 0));
  const [first] = await facts();
  assert.ok(first.duration > 6 && first.duration < 40, `duration ${first.duration}`);
  await page.getByRole("button", { name: "Play", exact: true }).click();
  await until("both playing", async () => (await facts()).every((v) => v.time > 0.5));
  await picture(page, "playback");
  const slider = page.getByRole("slider");
  await slider.fill("5000");
  await until("both after the seek", async () => (await facts()).every((v) => v.time >= 4.8 && v.ready >= 2 && v.error === null));
  const times = (await facts()).map((v) => v.time);
  assert.ok(Math.max(...times) - Math.min(...times) < 0.5, `in sync: ${times}`);
});

step("a decrypted recording is standard WebM: Opus and VP8 of the expected length", async () => {
  const { page } = clinician;
  const recording = await state(page);
  const viewing = (await api(page, "POST", `/recordings/${recording.id}/playbacks`)).json;
  const folder = mkdtempSync(join(tmpdir(), "bedside-probe-"));
  for (const [n, shown] of viewing.presentations.entries()) {
    const pieces = [];
    for (let at = 0, length = 1; at < length; at += pieces.at(-1).length) {
      const answer = await page.request.get(`${server.origin}${shown.url}`, { headers: { Range: `bytes=${at}-` } });
      assert.ok(answer.ok());
      pieces.push(await answer.body());
      length = Number(answer.headers()["content-range"]?.split("/")[1] ?? pieces[0].length);
    }
    const file = join(folder, `${n}.webm`);
    writeFileSync(file, Buffer.concat(pieces));
    decrypted = file;
    const probe = JSON.parse(execFileSync("ffprobe", ["-v", "error", "-show_format", "-show_streams", "-of", "json", file], { encoding: "utf8" }));
    if (shown.source === "camera") assert.deepEqual(probe.streams.map((s) => s.codec_name).sort(), ["opus", "vp8"]);
    assert.ok(Math.abs(Number(probe.format.duration) * 1000 - viewing.duration_ms) < 1_500, `${probe.format.duration} s of ${viewing.duration_ms} ms`);
    execFileSync("ffmpeg", ["-v", "error", "-xerror", "-i", file, "-f", "null", "-"]);
  }
});

step("nothing readable lies on the disk or in the logs: no media, no name, no secret", async () => {
  const secrets = ["Quillon", "Abernathy", "MRN-1001", link.split("#")[1], server.password("clinician"), "Can you see me"];
  const magic = [Buffer.from([0x1a, 0x45, 0xdf, 0xa3]), Buffer.from([0x1f, 0x43, 0xb6, 0x75]), Buffer.from("OpusHead"), Buffer.from("V_VP8")];
  // pieces of what was recorded, as the player gets it: none of them may lie anywhere
  const media = read(decrypted);
  for (let at = 4_096; at + 48 < media.length; at += Math.ceil(media.length / 200)) magic.push(media.subarray(at, at + 48));
  assert.ok(magic.length > 100 && media.includes(magic.at(-1)) && media.includes(magic[1]), "the signs are real");
  const everything = files(server.data).map((path) => [path, read(path)]);
  everything.push(["the log", Buffer.from(server.log())]);
  assert.ok(everything.some(([path]) => path.endsWith(".part")) && everything.some(([path]) => path.endsWith("bedside.db")));
  for (const [path, bytes] of everything) {
    for (const secret of secrets) assert.ok(!bytes.includes(secret), `${secret} stands in ${path}`);
    for (const sign of magic) assert.ok(!bytes.includes(sign), `plaintext media in ${path}`);
  }
});

step("the auditor finds every step, is refused playback, verifies and exports; the export checks offline", async () => {
  const auditor = await profile(browser);
  const { page } = auditor;
  await signIn(page, server, "auditor");
  await page.waitForURL("**/audit");
  await picture(page, "audit");
  for (const event of [
    "sign_in.succeeded", "sign_in.failed", "patient.created", "consultation.started", "invitation.created", "invitation.redeemed", "participant.waiting",
    "participant.admitted", "recording.requested", "consent.decided", "recording.started", "consent.withdrawn", "recording.stopped", "recording.sealed",
    "playback.started", "consultation.ended", "audit.searched",
  ]) {
    assert.ok((await search(page, event)).length > 0, `${event} is missing`);
  }
  const decided = (await search(page, "consent.decided")).map((entry) => entry.detail);
  const words = new Set(decided.map((d) => `${d.text}/${d.version}`));
  assert.deepEqual([...words].sort(), ["care-by-video/1", "recording-audio-video/2"]);
  assert.ok(decided.every((d) => [d.digest, d.shown, d.signature].every((hash) => /^[0-9a-f]{64}$/.test(hash))));
  assert.deepEqual([...new Set(decided.map((d) => d.decision))].sort(), ["deny", "permit"]);
  const recording = (await search(page, "recording.sealed"))[0].entities.find((e) => e.kind === "recording").id;
  const refused = await api(page, "POST", `/recordings/${recording}/playbacks`);
  assert.deepEqual([refused.status, refused.json.code], [403, "FORBIDDEN"]);
  assert.ok((await search(page, "access.denied")).some((e) => e.detail.operation === "play_recording" && e.entities.some((x) => x.id === recording)));

  await page.goto(`${server.origin}/audit/proofs`);
  await page.getByRole("button", { name: /verify/i }).first().click();
  await page.getByText("The log is whole").waitFor();
  await picture(page, "audit-verified");

  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export the log" }).click()]);
  const file = join(mkdtempSync(join(tmpdir(), "bedside-export-")), "audit.tar");
  await download.saveAs(file);
  const key = (await api(page, "GET", "/audit/entries/0")).json.verifier_key;
  const verifier = bedside.replace(/bedside$/, "bedside-verify");
  assert.match(execFileSync(verifier, [file, "--key", key], { encoding: "utf8" }), /complete and unchanged/);
  const bytes = readFileSync(file);
  bytes[bytes.indexOf("consent.withdrawn")] ^= 1;
  writeFileSync(file, bytes);
  assert.throws(() => execFileSync(verifier, [file, "--key", key], { encoding: "utf8", stdio: "pipe" }), (error) => /NOT PROVED, first bad entry \d+/.test(error.stdout));
  rmSync(dirname(file), { recursive: true });

  await page.goto(`${server.origin}/retention`);
  await page.getByText("recording", { exact: false }).first().waitFor();
  await picture(page, "retention");
  assert.deepEqual(auditor.trouble, []);
});

step("the administrator sees users and policies", async () => {
  const administrator = await profile(browser);
  await signIn(administrator.page, server, "administrator");
  await administrator.page.waitForURL("**/users");
  await administrator.page.getByText("Dr. Ana Ruiz").first().waitFor();
  await picture(administrator.page, "users");
  await administrator.page.goto(`${server.origin}/policies`);
  await administrator.page.getByText("access/recording.cedar").first().waitFor();
  await picture(administrator.page, "policies");
  assert.deepEqual(administrator.trouble, []);
});

step("no page complained", () => {
  assert.deepEqual(clinician.trouble, []);
  assert.deepEqual(patient.trouble, []);
});
