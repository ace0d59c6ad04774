// Camera, microphone and speaker as people really have them: refused, missing, half missing, held back by the browser. Nobody is
// kept out of their consultation, and after leaving no device stays on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { agreesToCare, api, attribute, call, clinicianJoins, hearsAndSees, launch, newConsultation, picture, profile, signIn, startServer, until } from "./harness.mjs";

let server, browser, clinician, visit;
before(async () => {
  server = await startServer();
  browser = await launch();
  clinician = await profile(browser);
  await signIn(clinician.page, server, "clinician");
  ({ id: visit } = await newConsultation(clinician.page, server));
  await clinicianJoins(clinician.page, server, visit);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

/** A browser of its own that is gone when the test is over, however it went. */
async function open(t, options) {
  const theirs = await launch(options);
  t.after(() => theirs.close());
  return theirs;
}

/** Keeps every track that the page ever opened, so that a test can count those still alive. */
function keepTracks() {
  const opened = (globalThis.openedTracks = []);
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    opened.push(...stream.getTracks());
    return stream;
  };
}

const tracks = (page) => page.evaluate(() => globalThis.openedTracks.map((track) => `${track.kind} ${track.readyState}`).sort());

const OFFERED = "tap-to-hear stands there";

function tellOfTheOffer() {
  const seen = new MutationObserver(() => {
    if (document.querySelector("[data-testid=tap-to-hear]") === null) return;
    seen.disconnect();
    console.info("tap-to-hear stands there");
  });
  seen.observe(document, { subtree: true, childList: true, attributes: true });
}

/** A person with a link of their own, in front of the device check. */
async function atDeviceCheck(theirs, name, prepare = async () => undefined) {
  const person = await profile(theirs, { viewport: { width: 820, height: 1100 } });
  await prepare(person);
  await person.page.addInitScript(keepTracks);
  const { json } = await api(clinician.page, "POST", `/consultations/${visit}/invitations`, { role: "related_person", name_hint: null });
  await person.page.goto(json.link);
  await person.page.getByTestId("join-button").click();
  await person.page.getByTestId("name-input").fill(name);
  await person.page.getByTestId("continue").click();
  await agreesToCare(person.page);
  await person.page.getByTestId("device-check").waitFor();
  return { ...person, link: json.link };
}

async function admitted({ page }) {
  await page.getByTestId("lobby").waitFor();
  await clinician.page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
  await call(page).waitFor();
}

async function leave({ page }) {
  await page.getByTestId("control-leave").click();
  await page.getByTestId(/leave.*-yes$/).click();
  await page.getByTestId("goodbye").waitFor();
}

/** What the device check says is wrong. */
const problem = async (page) => {
  const words = page.getByTestId("device-problem");
  await words.waitFor();
  return [await words.getAttribute("data-what"), await words.getAttribute("data-problem")];
};

test("refused devices: the page says how to allow them, and listening only leads through the lobby to picture and sound", async (t) => {
  const theirs = await open(t, { devices: "ask" });
  // Granting an empty list is how the debugger says no to everything else.
  const person = await atDeviceCheck(theirs, "Refusing", ({ context }) => context.grantPermissions([]));
  const { page } = person;
  assert.deepEqual(await problem(page), ["both", "denied"]);
  assert.equal(await page.getByTestId("device-problem").getByRole("listitem").count(), 3, "three steps in this browser's words");
  await picture(page, "device-denied");
  await page.getByTestId("device-retry").click();
  assert.deepEqual(await problem(page), ["both", "denied"]);
  await page.getByTestId("device-listen-only").click();
  await admitted(person);
  await hearsAndSees(page, "the person without devices");
  assert.deepEqual(await tracks(page), []);
  await picture(page, "listening-only");
  await leave(person);
  assert.deepEqual(person.trouble, []);
});

test("a permission that is given after all takes effect with “Try again”", async (t) => {
  const theirs = await open(t, { devices: "ask" });
  const { page, context } = await atDeviceCheck(theirs, "Reconsidering", (person) => person.context.grantPermissions([]));
  assert.deepEqual(await problem(page), ["both", "denied"]);
  await context.grantPermissions(["camera", "microphone"]);
  await page.getByTestId("device-retry").click();
  await page.locator("[data-testid=preview][data-camera=on][data-microphone=on]").waitFor();
  assert.equal(await page.getByTestId("device-problem").count(), 0);
});

test("no device at all: the page says so and listening only works", async (t) => {
  const theirs = await open(t, { devices: "none" });
  const person = await atDeviceCheck(theirs, "Deviceless");
  assert.deepEqual(await problem(person.page), ["both", "none_found"]);
  await picture(person.page, "device-none");
  await person.page.getByTestId("device-listen-only").click();
  await admitted(person);
  await hearsAndSees(person.page, "the person without devices");
  await leave(person);
  assert.deepEqual(person.trouble, []);
});

test("a microphone without a camera joins with sound only, and the clinician hears it", async (t) => {
  const theirs = await open(t, { devices: "microphone" });
  const person = await atDeviceCheck(theirs, "Unseen");
  const { page } = person;
  assert.deepEqual(await problem(page), ["camera", "none_found"]);
  await page.locator("[data-testid=preview][data-microphone=on]").waitFor();
  await picture(page, "device-no-camera");
  const energy = async () => Number(await attribute(clinician.page, "data-audio-energy"));
  await page.getByTestId("device-continue").click();
  await admitted(person);
  const before = await energy();
  await until("the person's voice", async () => (await energy()) > before);
  await hearsAndSees(page, "the person with sound only");
  assert.deepEqual(await tracks(page), ["audio live"]);
  await leave(person);
  assert.deepEqual(await tracks(page), ["audio ended"]);
  assert.deepEqual(person.trouble, []);
});

test("sound that the browser holds back is offered with a tap, and plays after it", async (t) => {
  const theirs = await open(t, { devices: "ask", autoplay: "refuse" });
  // Who captures may play: only somebody without devices meets this.
  const person = await atDeviceCheck(theirs, "Muffled", ({ context }) => context.grantPermissions([]));
  await person.page.getByTestId("device-listen-only").click();
  await admitted(person);
  await person.page.close();
  // The link opened again in a new tab: the place is kept, and nobody has touched this page yet.
  // Every question that the test asks of a page counts as a touch, so the page itself has to say when the offer stands.
  const page = await person.context.newPage();
  await page.addInitScript(tellOfTheOffer);
  const offered = page.waitForEvent("console", { predicate: (message) => message.text() === OFFERED });
  await page.goto(person.link);
  await offered;
  await picture(page, "tap-to-hear");
  const paused = () => page.getByTestId("remote-audio").evaluateAll((all) => all.map((audio) => audio.paused));
  assert.deepEqual(await paused(), [true]);
  await page.getByTestId("tap-to-hear").click();
  await until("the sound", async () => (await paused()).every((held) => !held));
  await hearsAndSees(page, "the person after the tap");
  await leave({ page });
});

test("leaving the waiting room and leaving the call release camera and microphone", async () => {
  const person = await atDeviceCheck(browser, "Tidy");
  const { page } = person;
  const alive = async () => (await tracks(page)).filter((track) => track.endsWith("live"));
  await page.locator("[data-testid=preview][data-camera=on][data-microphone=on]").waitFor();
  assert.deepEqual(await alive(), ["audio live", "video live"]);
  await page.getByTestId("device-continue").click();
  await page.getByTestId("lobby-leave").click();
  await page.getByTestId("goodbye").waitFor();
  assert.deepEqual(await alive(), []);
  await page.getByTestId("rejoin").click();
  await admitted(person);
  await hearsAndSees(page, "the person");
  assert.deepEqual(await alive(), ["audio live", "video live"]);
  await page.getByTestId("control-camera").click();
  await until("the camera's end", async () => (await alive()).join() === "audio live");
  await leave(person);
  assert.deepEqual(await alive(), []);
  assert.deepEqual(person.trouble, []);
  await person.context.close();
});

test("the clinician heard no complaint", () => assert.deepEqual(clinician.trouble, []));
