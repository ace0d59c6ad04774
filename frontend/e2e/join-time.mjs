// How long joining takes, as a person feels it: from the click to the first decoded picture. Not a test; `make bench` prints it.
import { call, clinicianJoins, hearsAndSees, launch, newConsultation, patientToLobby, profile, signIn, startServer } from "./harness.mjs";

const ROUNDS = 10;
const server = await startServer();
const browser = await launch();
const clinician = await profile(browser);
const patient = await profile(browser);
await signIn(clinician.page, server, "clinician");
const { id, link } = await newConsultation(clinician.page, server);
await clinicianJoins(clinician.page, server, id);
await patientToLobby(patient.page, link);
await clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
await call(patient.page).waitFor();
await hearsAndSees(patient.page, "the patient");

const times = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const began = performance.now();
  await patient.page.reload({ waitUntil: "commit" });
  await patient.page.waitForFunction(() => [...document.querySelectorAll('[data-testid="remote-video"]')].some((video) => video.videoWidth > 0), null, { polling: 10 });
  times.push(performance.now() - began);
}
times.sort((a, b) => a - b);
console.log(`join (reload to first remote picture, Chromium on this machine): p50 ${times[ROUNDS / 2].toFixed(0)} ms, worst of ${ROUNDS} ${times.at(-1).toFixed(0)} ms`);
await browser.close();
await server.stop();
server.forget();
