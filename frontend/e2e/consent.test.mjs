// Consent as people meet it: asked before the waiting room in their own language, decided kind by kind, reloaded at every step, withdrawn,
// kept as a receipt that checks offline, and found again in the registers. Pages are looked at on a phone and a desk.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  api, asksToRecord, bedside, call, clinicianJoins, files, hearsAndSees, launch, newConsultation, parts, patientToConsent, patientToLobby, picture,
  profile, read, signIn, startServer, until, story,
} from "./harness.mjs";
import { everywhere, findings } from "./looks.mjs";

let server, browser, clinician, patient, daughter, visit, link;

const step = story(() => assert.deepEqual(findings.splice(0), []));

const person = (options = {}) => profile(browser, { reducedMotion: "reduce", ...options });
const small = { width: 390, height: 844 };

before(async () => {
  server = await startServer();
  browser = await launch();
  [clinician, patient, daughter] = await Promise.all([person(), person({ viewport: small }), person()]);
  await signIn(clinician.page, server, "clinician");
  ({ id: visit, link } = await newConsultation(clinician.page, server));
  await clinicianJoins(clinician.page, server, visit);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

const recordingState = (page) => page.getByTestId("recording").first().getAttribute("data-state").catch(() => null);
const recordings = async () => (await api(clinician.page, "GET", `/consultations/${visit}/recordings`)).json.recordings;
const consents = async () => (await api(clinician.page, "GET", `/consultations/${visit}/consents`)).json.consents;
const admit = () => clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
const size = () => parts(server).map((path) => [path, read(path).length]);

step("care by video is asked before the waiting room, in the language of whoever reads, also from right to left", async () => {
  const { page } = patient;
  await patientToConsent(page, link);
  const shown = page.getByTestId("consent-text");
  for (const [language, direction, words] of [["ar", "rtl", "الرعاية عبر مكالمة فيديو"], ["de", "ltr", "Behandlung per Videoanruf"], ["fr", "ltr", "Soins par appel vidéo"], ["es", "ltr", "Atención por videollamada"], ["ar", "rtl", "الرعاية"]]) {
    await page.getByTestId("consent-language").selectOption(language);
    await page.locator(`[data-testid=consent-text][data-language=${language}]`).waitFor();
    assert.match(await page.locator("main, #content").first().innerText(), new RegExp(words));
    assert.equal(await shown.evaluate((text) => getComputedStyle(text).direction), direction);
  }
  assert.match(await page.getByTestId("consent-permit").innerText(), /أوافق/, "the answers are in the language of the text");
  const box = async (id) => page.getByTestId(id).boundingBox();
  const [yes, no] = [await box("consent-permit"), await box("consent-deny")];
  assert.ok(yes.x > no.x, "from right to left: yes is on the right");
  assert.ok(Math.abs(yes.width - no.width) < 2 && Math.abs(yes.height - no.height) < 2, "both answers look alike");
  await everywhere(patient, "consent-care-ar");
  await page.setViewportSize(small);
});

step("a reload keeps the question, its language, and that nothing is answered yet", async () => {
  const { page } = patient;
  await page.reload();
  await page.locator("[data-testid=consent-text][data-language=ar]").waitFor();
  assert.deepEqual(await consents(), []);
  assert.equal(await page.getByTestId("lobby").count(), 0);
});

step("declining leads to a page that says what happens next, and the clinician is told; a reload stays there", async () => {
  const { page } = patient;
  await page.getByTestId("consent-deny").click();
  await page.getByTestId("declined").waitFor();
  await everywhere(patient, "declined-ar");
  await page.setViewportSize(small);
  await page.reload();
  await page.getByTestId("declined").waitFor();
  const notice = clinician.page.getByTestId("declined-notice");
  await notice.waitFor();
  assert.match(await notice.innerText(), /Quillon does not agree to a video call/);
  await picture(clinician.page, "declined-clinician");
});

step("whoever thinks otherwise comes in; a parent says who they are", async () => {
  const { page } = patient;
  await page.getByTestId("declined-back").click();
  await page.getByTestId("consent-language").selectOption("en");
  await page.getByTestId("capacity-parent_or_guardian").check();
  await page.getByTestId("consent-permit").click();
  assert.equal(await page.locator("[aria-invalid=true]").count(), 2, "name and relationship are missing");
  await page.getByTestId("representative-name").fill("Rosa Abernathy");
  await page.getByTestId("representative-relationship").fill("mother");
  await everywhere(patient, "consent-guardian");
  await page.setViewportSize(small);
  await page.getByTestId("consent-permit").click();
  await page.getByTestId("device-continue").click();
  await page.getByTestId("lobby").waitFor();
  await until("the notice is gone", async () => (await clinician.page.getByTestId("declined-notice").count()) === 0);
  const [declined, agreed] = await consents();
  assert.deepEqual([declined.decision, declined.stands, declined.language], ["deny", false, "ar"]);
  assert.deepEqual([agreed.decision, agreed.signed, agreed.representative_name], ["permit", true, "Rosa Abernathy"]);
  await admit();
  await Promise.all([clinician.page, page].map((one, n) => call(one).waitFor().then(() => hearsAndSees(one, `person ${n}`))));
});

step("the recording button says why it is not available, and what it asks when it is", async () => {
  const { page } = clinician;
  await asksToRecord(page, "sound");
  await patient.page.getByTestId("consent-dialog").waitFor();
  assert.equal(await patient.page.getByTestId("consent-sound").count(), 0, "only the sound was asked for");
  await patient.page.getByTestId("consent-deny").click();
  await page.getByTestId("recording-outcome").waitFor();
  await page.getByTestId("control-record").click();
  await page.getByTestId("ask-to-record").waitFor();
  await page.getByTestId("explain").click();
  await page.getByTestId("consent-reading").getByTestId("consent-text").waitFor();
  await everywhere(clinician, "explain");
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.keyboard.press("Escape");
  await page.getByTestId("ask-both").click();
  await page.getByTestId("consent-dialog").waitFor();
  await page.getByTestId("consent-permit").click();
  const record = page.getByTestId("control-record");
  await until("the reason", async () => /asked for already/.test((await record.getAttribute("aria-label")) ?? ""));
  assert.equal(await record.getAttribute("aria-disabled"), "true");
});

step("the patient allows sound only, after a reload of the question; their picture is not recorded", async () => {
  const { page } = patient;
  await page.getByTestId("consent-dialog").waitFor();
  await page.reload();
  await page.getByTestId("consent-dialog").waitFor();
  assert.deepEqual(parts(server), []);
  await everywhere(patient, "consent-recording");
  await page.setViewportSize(small);
  await page.getByTestId("consent-sound").click();
  await until("the recording", async () => (await recordingState(page)) === "active");
  const mine = (await consents()).find((one) => one.text === "recording-audio-video" && one.role === "patient");
  assert.deepEqual([mine.capacity, mine.representative_name, mine.permitted], ["parent_or_guardian", "Rosa Abernathy", ["recording_audio"]]);
  // the clinician's microphone and camera, the patient's microphone
  await until("three parts", () => parts(server).length >= 3);
  await clinician.page.getByTestId("control-people").click();
  await until("the standings", async () => {
    const stands = await clinician.page.locator("[data-stand]").evaluateAll((all) => all.map((one) => one.dataset.stand));
    return stands.sort().join() === "audio,both";
  });
  await picture(clinician.page, "standings");
  assert.equal(parts(server).length, 3);
});

step("a reload while it is recorded pauses nothing for good and asks nobody again", async () => {
  await patient.page.reload();
  await hearsAndSees(patient.page, "the patient after a reload");
  await until("it goes on", async () => (await recordingState(patient.page)) === "active");
  assert.equal(await patient.page.getByTestId("consent-dialog").count(), 0);
});

step("a third person who declines keeps it paused; asked again, they agree and it goes on", async () => {
  const made = (await api(clinician.page, "POST", `/consultations/${visit}/invitations`, { role: "related_person", name_hint: null })).json;
  await patientToLobby(daughter.page, made.link, "Kim");
  await admit();
  await daughter.page.getByTestId("consent-dialog").waitFor();
  await until("the pause", async () => (await recordingState(patient.page)) === "paused");
  const during = size();
  await daughter.page.getByTestId("consent-deny").click();
  await until("who declined", async () => /Kim did not allow it/.test(await patient.page.getByTestId("recording").first().innerText()));
  await Promise.all([clinician, patient, daughter].map(({ page }, n) => hearsAndSees(page, `person ${n}`)));
  assert.deepEqual(size(), during, "not one byte of anyone while one has declined");
  await picture(clinician.page, "declined-recording");
  await clinician.page.getByTestId(/^ask-again-/).click();
  await daughter.page.getByTestId("consent-dialog").waitFor();
  await daughter.page.reload();
  await daughter.page.getByTestId("consent-dialog").waitFor();
  await daughter.page.getByTestId("consent-permit").click();
  await until("it goes on", async () => (await recordingState(daughter.page)) === "active");
});

step("one press withdraws at once; everyone is told what becomes of what was recorded", async () => {
  const { page } = patient;
  await page.getByTestId("recording-withdraw").click();
  for (const one of [clinician, patient, daughter]) {
    await one.page.getByTestId("recording-outcome").waitFor();
    assert.match(await one.page.getByTestId("recording-outcome").innerText(), /Nobody can watch what was recorded so far/);
  }
  await picture(page, "withdrawn");
  await until("the seal", async () => (await recordings()).at(-1).state === "sealed");
  const withdrawn = (await consents()).find((one) => one.decision === "withdrawn");
  assert.deepEqual([withdrawn.signed, withdrawn.stands], [true, true]);
  const sealed = size();
  await hearsAndSees(daughter.page, "the daughter after the withdrawal");
  assert.deepEqual(size(), sealed);
});

step("my consents are in reach during the call; a private link opens receipts that check offline", async () => {
  const { page } = patient;
  await page.getByTestId("control-consents").click();
  await page.getByTestId("my-consents").getByTestId("my-consent-0").waitFor();
  await everywhere(patient, "my-consents");
  await page.setViewportSize(small);
  await page.getByTestId("make-receipt-link").click();
  const address = await page.getByLabel("Your private link").inputValue();
  const reader = await person({ viewport: small });
  await reader.page.goto(address);
  await reader.page.getByTestId("receipts").getByTestId("receipt-0").waitFor();
  await everywhere(reader, "receipts");
  await reader.page.getByTestId("receipt-show-1").click();
  const shown = await reader.page.getByTestId("receipt").innerText();
  assert.match(shown, /Decision\s+Agreed[\s\S]*Entry in the clinic's log\s+\d+ \/ \d+[\s\S]*What was shown: Care by video call/);
  await everywhere(reader, "receipt");
  await reader.page.keyboard.press("Escape");
  await reader.page.getByTestId("receipt").waitFor({ state: "detached" });
  await reader.page.getByTestId("receipts-language").selectOption("ar");
  await everywhere(reader, "receipts-ar");
  await reader.page.getByTestId("receipts-language").selectOption("en");
  const folder = mkdtempSync(join(tmpdir(), "bedside-receipts-"));
  const take = async (form) => {
    const [file] = await Promise.all([reader.page.waitForEvent("download"), reader.page.getByTestId(`receipt-${form}-1`).click()]);
    const path = join(folder, file.suggestedFilename());
    await file.saveAs(path);
    return path;
  };
  assert.ok(readFileSync(await take("pdf")).subarray(0, 5).toString() === "%PDF-");
  const receipt = await take("json");
  assert.match(execFileSync(bedside, ["consent", "verify", receipt], { encoding: "utf8" }), /valid\.[\s\S]*Care by video call[\s\S]*person's browser signed[\s\S]*entry \d+ of the clinic's log/);

  // withdrawing care by video through the link ends the call for them, and the clinician is told
  await reader.page.getByTestId("receipt-withdraw-1").click();
  await reader.page.getByTestId("receipt-withdraw-yes").click();
  await reader.page.getByText("Your consent was withdrawn.").waitFor();
  await page.getByTestId("goodbye").or(page.getByTestId("declined")).first().waitFor();
  await clinician.page.getByTestId("declined-notice").waitFor();
  assert.match(await clinician.page.getByTestId("declined-notice").innerText(), /has withdrawn from the video call/);
  await page.reload();
  await page.locator("[data-testid=declined][data-withdrawn=true]").waitFor();
  await reader.page.goto(`${address.slice(0, -4)}AAAA`);
  await reader.page.reload();
  await reader.page.getByTestId("receipts-gone").waitFor();
  await everywhere(reader, "receipts-gone");
  assert.deepEqual(reader.trouble, []);
});

step("whoever withdraws in the call itself is led out of it to the page that says what happens next", async () => {
  const { page } = daughter;
  await page.getByTestId("control-consents").click();
  await page.getByTestId("withdraw-care-by-video").click();
  await page.getByTestId("withdraw-question-yes").click();
  await page.locator("[data-testid=declined][data-withdrawn=true]").waitFor();
  await picture(page, "withdrawn-care");
});

step("the registers: decisions, withdrawals, coverage, texts; and the records officer's review", async () => {
  await clinician.page.getByTestId("control-end").click();
  await clinician.page.getByTestId(/end.*-yes$/).click();
  const auditor = await person();
  const { page } = auditor;
  await signIn(page, server, "auditor");
  await page.goto(`${server.origin}/consents`);
  await page.getByTestId("register-decisions").locator("table").waitFor();
  await page.getByText("Rosa Abernathy", { exact: false }).first().waitFor();
  await everywhere(auditor, "registers-decisions");
  await page.setViewportSize({ width: 1280, height: 800 });
  const [csv] = await Promise.all([page.waitForEvent("download"), page.getByTestId("export-csv").click()]);
  assert.equal(csv.suggestedFilename(), "consents.csv");
  for (const [name, id] of [["Withdrawals", "withdrawals"], ["Coverage", "coverage"], ["Texts in force", "texts"]]) {
    await page.getByRole("radio", { name }).check();
    await page.getByTestId(`register-${id}`).waitFor();
    await page.getByTestId(`register-${id}`).locator("table, details").first().waitFor();
    await everywhere(auditor, `registers-${id}`);
    await page.setViewportSize({ width: 1280, height: 800 });
  }
  assert.deepEqual(auditor.trouble, []);
  await auditor.context.close();

  const officer = await person();
  await signIn(officer.page, server, "records");
  const made = (await recordings()).at(-1).id;
  await officer.page.goto(`${server.origin}/recordings/${made}`);
  await officer.page.getByTestId("review").waitFor();
  await everywhere(officer, "recording-review");
  await officer.page.getByTestId("review-destroy").click();
  await officer.page.getByRole("dialog").getByRole("button", { name: "Destroy it" }).click();
  await officer.page.getByText("destroyed", { exact: false }).first().waitFor();
  await until("it is gone", async () => (await recordings()).at(-1).state === "destroyed");
  assert.deepEqual(parts(server), []);
  assert.deepEqual(officer.trouble, []);
});

step("the dossier of the consultation is made by the program beside the running server, and every receipt in it checks", () => {
  const out = process.env.DOSSIER ?? join(mkdtempSync(join(tmpdir(), "bedside-dossier-")), "dossier");
  const env = {
    ...process.env,
    BEDSIDE_DATABASE: `sqlite:${server.data}/demo/bedside.db`,
    BEDSIDE_KEYS: `${server.data}/demo-keys`,
    BEDSIDE_RECORDINGS: `${server.data}/demo/recordings`,
  };
  execFileSync(bedside, ["consent", "dossier", visit, "--out", out], { env, stdio: "pipe" });
  const receipts = files(join(out, "receipts")).filter((path) => path.endsWith(".json"));
  assert.ok(receipts.length >= 10, `${receipts.length} receipts`);
  for (const path of receipts) assert.match(execFileSync(bedside, ["consent", "verify", path], { encoding: "utf8" }), /: valid\./);
  const page = readFileSync(join(out, "README.md"), "utf8");
  for (const words of ["Rosa Abernathy (mother)", "withdrawn", "care-by-video/1 in ar", "destroyed"]) assert.ok(page.includes(words), words);
});

step("the consultation's page shows who decided what; no page complained", async () => {
  await clinician.page.goto(`${server.origin}/consultations/${visit}`);
  await clinician.page.getByTestId("consultation-consents").waitFor();
  await everywhere(clinician, "consultation-consents");
  for (const one of [clinician, patient, daughter]) assert.deepEqual(one.trouble, []);
});
