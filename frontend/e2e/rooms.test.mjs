// Four people in one call, a newcomer and a recording, and a server that dies while it records.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { writeFileSync } from "node:fs";
import { asksToRecord, api, call, clinicianJoins, hearsAndSees, launch, newConsultation, parts, patientToLobby, picture, profile, read, signIn, startServer, until } from "./harness.mjs";

let server, browser;
before(async () => {
  server = await startServer();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

const recordingOf = async (page, visit) => (await api(page, "GET", `/consultations/${visit}/recordings`)).json.recordings.at(-1);

async function guest(clinician, visit, role, name, patient = null) {
  const made = await api(clinician.page, "POST", `/consultations/${visit}/invitations`, { role, name_hint: null });
  const person = await profile(browser, { viewport: { width: 800, height: 600 } });
  await patientToLobby(person.page, made.json.link, name, { asked: role !== "interpreter" });
  const admit = clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/);
  await admit.click();
  if (role === "interpreter") {
    // whether an interpreter may join is the patient's to say
    await patient.page.locator('[data-testid="consent-dialog"][data-text="interpreter-presence"]').waitFor();
    assert.equal(await person.page.getByTestId("call").count(), 0);
    await picture(patient.page, "interpreter-question");
    await patient.page.getByTestId("consent-permit").click();
    await until("the answer", async () => (await patient.page.getByTestId("consent-dialog").count()) === 0);
    await admit.click();
  }
  await call(person.page).waitFor();
  return person;
}

async function permit(page) {
  await page.getByTestId("consent-permit").click();
}

const recordingState = (page) => page.getByTestId("recording").first().getAttribute("data-state");

test("four people see and hear each other; a newcomer pauses the recording until they permit", async () => {
  const clinician = await profile(browser);
  await signIn(clinician.page, server, "clinician");
  const { id: visit, link } = await newConsultation(clinician.page, server);
  await clinicianJoins(clinician.page, server, visit);
  const patient = await profile(browser, { viewport: { width: 800, height: 600 } });
  await patientToLobby(patient.page, link);
  await clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
  await call(patient.page).waitFor();
  const daughter = await guest(clinician, visit, "related_person", "Daughter");
  await hearsAndSees(daughter.page, "the daughter");

  await asksToRecord(clinician.page);
  for (const { page } of [clinician, patient, daughter]) await permit(page);
  await until("the recording", async () => (await recordingState(patient.page)) === "active");
  await until("parts of three", () => parts(server).length >= 6);

  const interpreter = await guest(clinician, visit, "interpreter", "Interpreter", patient);
  await until("the pause", async () => (await recordingState(patient.page)) === "paused");
  const during = parts(server).map((path) => [path, read(path).length]);
  await Promise.all([clinician, patient, daughter, interpreter].map(({ page }, n) => hearsAndSees(page, `person ${n}`)));
  for (const { page } of [clinician, patient, daughter, interpreter]) {
    await until("three pictures", async () => (await page.locator('[data-testid="remote-video"]').evaluateAll((all) => all.filter((v) => v.videoWidth > 0).length)) >= 3);
  }
  await picture(clinician.page, "four");
  assert.deepEqual(parts(server).map((path) => [path, read(path).length]), during, "not one byte while one has not decided");
  await permit(interpreter.page);
  await until("the recording goes on", async () => (await recordingState(interpreter.page)) === "active");
  await until("new parts of four", () => parts(server).length >= during.length + 8);

  await clinician.page.getByTestId("recording-stop").click();
  await until("the seal", async () => (await recordingOf(clinician.page, visit)).state === "sealed");
  const viewing = await api(clinician.page, "POST", `/recordings/${(await recordingOf(clinician.page, visit)).id}/playbacks`);
  assert.equal(viewing.json.presentations.length, 4);
  await api(clinician.page, "POST", `/consultations/${visit}/end`);
  for (const person of [patient, daughter, interpreter]) {
    await person.page.getByTestId("goodbye").waitFor();
    assert.deepEqual(person.trouble, []);
    await person.context.close();
  }
  assert.deepEqual(clinician.trouble, []);
  await clinician.context.close();
});

test("a server killed while it records keeps what was sealed, closes it at the next start, and names an altered byte", async () => {
  const clinician = await profile(browser);
  await signIn(clinician.page, server, "clinician");
  const { id: visit, link } = await newConsultation(clinician.page, server, { identifier: "MRN-2", name: "Rosalind Thackeray" });
  await clinicianJoins(clinician.page, server, visit);
  const patient = await profile(browser);
  await patientToLobby(patient.page, link);
  await clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
  await call(patient.page).waitFor();
  await hearsAndSees(patient.page, "the patient");
  const before = new Set(parts(server));
  await asksToRecord(clinician.page);
  for (const { page } of [clinician, patient]) await permit(page);
  await until("the recording", async () => (await recordingState(patient.page)) === "active");
  const started = Date.parse((await recordingOf(clinician.page, visit)).started_at);
  const own = () => parts(server).filter((path) => !before.has(path));
  await until("four parts", () => own().length >= 4);
  await until("five seconds", () => Date.now() - started > 6_000);
  await server.kill();
  const recorded = Date.now() - started;

  await clinician.context.close();
  await patient.context.close();
  const { data } = server;
  server = await startServer({ data });
  const again = await profile(browser);
  await signIn(again.page, server, "clinician");
  const recording = await recordingOf(again.page, visit);
  assert.equal(recording.state, "sealed");
  // the open second, up to 0.4 s of waiting for late packets, and the time from the grant to the first frame
  assert.ok(recording.duration_ms > recorded - 2_500, `${recording.duration_ms} of ${recorded} ms`);
  const play = async () => {
    const opened = (await api(again.page, "POST", `/recordings/${recording.id}/playbacks`)).json;
    return Promise.all(opened.presentations.map((shown) => again.page.request.get(`${server.origin}${shown.url}`)));
  };
  for (const answer of await play()) assert.ok(answer.ok());

  const [file] = own().filter((path) => path.includes(recording.id));
  const bytes = read(file);
  bytes[bytes.length - 40] ^= 1;
  writeFileSync(file, bytes);
  const answers = await Promise.all((await play()).map(async (answer) => [answer.status(), await answer.text()]));
  const refused = answers.filter(([status]) => status === 500);
  assert.equal(refused.length, 1, "one of the two is altered");
  assert.equal(JSON.parse(refused[0][1]).code, "INTEGRITY");

  const auditor = await profile(browser);
  await signIn(auditor.page, server, "auditor");
  const search = { text: recording.id, event: "recording.", outcome: null, from: null, to: null, before: null, limit: 50 };
  const entries = (await api(auditor.page, "POST", "/audit/search", search)).json.entries;
  assert.ok(entries.some((e) => e.event === "recording.stopped" && e.detail.reason === "the server stopped"), "the end is on the record");
  assert.match(entries.find((e) => e.event === "recording.integrity_failed").detail.reason, /chunk \d+ of part [0-9a-f-]{36} was altered/);
  await auditor.context.close();
  await again.context.close();
});
