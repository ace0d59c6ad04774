// Every page as people meet it: on a phone, a tablet and a desk, light and dark, the patient's pages in both languages. No finding of
// axe-core, nothing that scrolls sideways, one main heading, a title, a language and no complaint in the console.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { asksToRecord, api, attribute, call, clinicianJoins, launch, newConsultation, patientToLobby, profile, signIn, startServer, until, story } from "./harness.mjs";
import { everywhere, findings } from "./looks.mjs";

const SECRET = "A".repeat(43);

let server, browser, clinician, auditor, administrator, english, spanish;
let visit, link, guestLink;

// What is found on a page is told by the step that found it.
const step = story(() => assert.deepEqual(findings.splice(0), []));

/** A profile whose colours change at once: a contrast measured in the middle of a transition belongs to no state of the page. */
const person = (options = {}) => profile(browser, { reducedMotion: "reduce", ...options });

before(async () => {
  server = await startServer();
  browser = await launch();
  [clinician, auditor, administrator, english, spanish] = await Promise.all([person(), person(), person(), person(), person({ locale: "es-ES" })]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

const both = async (name, act = async () => undefined) => {
  await Promise.all([[english, "en"], [spanish, "es"]].map(async ([who, language]) => {
    await act(who.page, language);
    await everywhere(who, name, language);
  }));
};

const open = (page, path) => page.goto(`${server.origin}${path}`);
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
const invite = async (role) => (await api(clinician.page, "POST", `/consultations/${visit}/invitations`, { role, name_hint: null })).json;

step("signing in: plain, after an expiry, after a mistake", async () => {
  await both("sign-in", async (page) => {
    await open(page, "/sign-in");
    await page.locator("form h1").waitFor();
  });
  await both("sign-in-expired", async (page) => {
    await open(page, "/sign-in?reason=expired");
    await page.locator("form .notice").waitFor();
  });
  await both("sign-in-failed", async (page) => {
    await page.locator("input[name=username]").fill("clinician");
    await page.locator("input[name=password]").fill("not the password");
    await page.locator("button[type=submit]").click();
    await page.locator("form .notice--danger").waitFor();
  });
});

step("the clinician's empty pages", async () => {
  const { page } = clinician;
  await signIn(page, server, "clinician");
  await page.getByText("No consultations yet").waitFor();
  await everywhere(clinician, "consultations-empty");
  await page.getByRole("button", { name: "Account and settings" }).click();
  await everywhere(clinician, "account-menu");
  await open(page, "/recordings");
  await page.getByText("No recordings").waitFor();
  await everywhere(clinician, "recordings-empty");
  await open(page, "/nowhere");
  await heading(page, "This page does not exist");
  await everywhere(clinician, "not-found");
  await open(page, "/audit");
  await heading(page, "This page is not for your role");
  await everywhere(clinician, "wrong-role");
});

step("a new consultation: search, new patient with mistakes, planned, done with a link", async () => {
  const { page } = clinician;
  await newConsultation(page, server, { identifier: "MRN-7", name: "Maximiliana Wolkenstein-Featherstonehaugh" });
  await open(page, "/consultations/new");
  await page.locator(".choice").first().waitFor();
  await everywhere(clinician, "new-search");
  await page.getByRole("button", { name: "Add a new patient" }).click();
  await page.getByRole("button", { name: "Save patient" }).click();
  await page.getByText("Enter the patient's name.").waitFor();
  await everywhere(clinician, "new-patient-mistakes");
  await page.getByRole("button", { name: "Back to the search" }).click();
  await page.locator(".choice").first().click();
  await page.getByRole("radio", { name: "Later" }).check();
  await page.getByLabel("Date and time").waitFor();
  await everywhere(clinician, "new-planned");
  await page.getByRole("button", { name: "Plan consultation" }).click();
  await page.getByLabel("The link to send").waitFor();
  await everywhere(clinician, "new-done");
  const early = await person();
  await patientToLobby(early.page, await page.getByLabel("The link to send").inputValue());
  await early.page.reload();
  await early.page.getByTestId("lobby-planned").waitFor();
  await everywhere(early, "lobby-planned");
  await early.context.close();
});

step("the list and one consultation with its links", async () => {
  const { page } = clinician;
  ({ id: visit, link } = await newConsultation(page, server));
  const guest = await invite("related_person");
  guestLink = guest.link;
  await open(page, "/consultations");
  await page.locator(".visit").nth(2).waitFor();
  await everywhere(clinician, "consultations");
  await open(page, `/consultations/${visit}`);
  await page.getByText("Related person").first().waitFor();
  await everywhere(clinician, "consultation");
  await page.getByRole("button", { name: /New link/ }).first().click();
  await page.getByRole("dialog").waitFor();
  await everywhere(clinician, "consultation-question");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
});

step("the auditor's and the administrator's pages", async () => {
  const { page } = auditor;
  await signIn(page, server, "auditor");
  await page.locator(".entry").nth(5).waitFor();
  await everywhere(auditor, "audit");
  await page.locator(".entry").first().click();
  await open(page, "/audit/activity");
  await page.getByRole("heading", { name: "Who did most" }).waitFor();
  await everywhere(auditor, "audit-activity");
  await open(page, "/audit/proofs");
  await page.getByRole("button", { name: /verify/i }).first().click();
  await page.getByText("The log is whole").waitFor();
  await everywhere(auditor, "audit-verified");
  await open(page, "/retention");
  await page.getByText("The schedule in force").waitFor();
  await everywhere(auditor, "retention");
  await open(page, "/policies");
  await page.locator(".file summary").first().click();
  await everywhere(auditor, "policies");
  await signIn(administrator.page, server, "administrator");
  await administrator.page.getByText("Dr. Ana Ruiz").first().waitFor();
  await everywhere(administrator, "users");
});

step("links that lead nowhere: unknown, cut off, cancelled", async () => {
  const cancelled = await invite("observer");
  await api(clinician.page, "POST", `/invitations/${cancelled.id}/cancel`);
  const lead = {
    unknown: `${server.origin}/join/00000000-0000-4000-8000-000000000000#${SECRET}`,
    malformed: link.split("#")[0],
    cancelled: cancelled.link,
  };
  for (const [problem, address] of Object.entries(lead)) {
    await both(`link-${problem}`, async (page) => {
      await page.goto(address);
      await page.locator(`[data-testid=join-problem][data-problem=${problem}]`).waitFor();
    });
  }
});

step("the way in: invitation, name, device check, waiting room", async () => {
  const doors = { en: link, es: guestLink };
  await both("invitation", async (page, language) => {
    await page.goto(doors[language]);
    await page.getByTestId("data-notice").waitFor();
  });
  await both("name", async (page) => {
    await page.getByTestId("join-button").click();
    await page.getByTestId("name-input").waitFor();
    await page.getByTestId("continue").click();
    await page.locator("[aria-invalid=true]").waitFor();
  });
  await both("consent-care", async (page, language) => {
    await page.getByTestId("name-input").fill(language === "es" ? "Inmaculada Fernández" : "Quillon Abernathy");
    await page.getByTestId("continue").click();
    await page.getByTestId("consent-text").waitFor();
  });
  await both("consent-declined", async (page) => {
    await page.getByTestId("consent-deny").click();
    await page.getByTestId("declined").waitFor();
  });
  await both("device-check", async (page) => {
    await page.getByTestId("declined-back").click();
    await page.getByTestId("consent-permit").click();
    await page.locator("[data-testid=preview][data-camera=on][data-microphone=on]").waitFor();
  });
  await both("lobby", async (page) => {
    await page.getByTestId("device-continue").click();
    await page.locator("[data-testid=lobby][data-status=in_progress]").waitFor();
  });
  const stranger = await person();
  for (const locale of ["en", "es"]) {
    await stranger.page.goto(`${server.origin}/join/${link.split("/join/")[1].replace("#", `?lang=${locale}#`)}`);
    await stranger.page.locator("[data-testid=join-problem][data-problem=used]").waitFor();
    await everywhere(stranger, "link-used", locale);
  }
  await stranger.context.close();
});

step("the call: the clinician's side with people waiting, then everybody's with its panels", async () => {
  const { page } = clinician;
  await open(page, `/consultations/${visit}/call`);
  await page.locator("[data-testid=preview][data-camera=on]").waitFor();
  await everywhere(clinician, "staff-check");
  await clinicianJoins(page, server, visit);
  await page.getByTestId("waiting-notice").waitFor();
  await everywhere(clinician, "staff-waiting");
  await page.setViewportSize({ width: 1440, height: 900 });
  const inside = async () => (await Promise.all([english, spanish].map((who) => call(who.page).count()))).filter((shown) => shown > 0).length;
  for (const count of [1, 2]) {
    await page.getByTestId("waiting-notice").getByTestId(/admit-0$/).click();
    await until("the admission", async () => (await inside()) === count);
  }
  // A person without a picture belongs to what is looked at, and two encoders less make this faster.
  for (const who of [clinician, spanish]) await who.page.getByTestId("control-camera").click();
  for (const who of [english, spanish]) await until("the connection", async () => (await attribute(who.page, "data-connection")) === "connected");
  await both("call");
  for (const panel of ["chat", "people", "consents", "settings"]) {
    await both(`call-${panel}`, async (guest) => {
      await guest.setViewportSize({ width: 1440, height: 900 });
      await guest.getByTestId(`control-${panel}`).click();
      await guest.getByTestId(`panel-${panel}`).waitFor();
      if (panel !== "chat") return;
      await guest.getByTestId("chat-input").fill("https://example.org/a-very-long-address-that-nobody-can-break-at-a-space/or-anywhere-else");
      await guest.getByTestId("chat-send").click();
      await guest.getByTestId("chat-message").first().waitFor();
    });
  }
  for (const guest of [english, spanish]) {
    await guest.page.setViewportSize({ width: 1440, height: 900 });
    await guest.page.getByTestId("panel-close").click();
  }
  await page.getByTestId("control-people").click();
  await everywhere(clinician, "staff-people");
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByTestId("panel-close").click();
});

step("the consent question, the recording and its end", async () => {
  const { page } = clinician;
  await asksToRecord(page);
  await both("consent", (guest) => guest.getByTestId("consent-text").waitFor());
  for (const who of [english, spanish, clinician]) await who.page.getByTestId("consent-permit").click();
  const recording = async () => (await api(page, "GET", `/consultations/${visit}/recordings`)).json.recordings.at(-1);
  await english.page.locator("[data-testid=recording][data-state=active]").waitFor();
  await both("call-recording", (guest) => guest.locator("[data-testid=recording][data-state=active]").waitFor());
  await page.getByTestId("control-end").click();
  await page.getByTestId(/end.*-yes$/).click();
  await both("goodbye", (guest) => guest.getByTestId("goodbye").waitFor());
  await everywhere(clinician, "staff-goodbye");
  await until("the seal", async () => (await recording()).state === "sealed");
  await open(page, "/recordings");
  await page.getByRole("link", { name: "Play" }).first().waitFor();
  await everywhere(clinician, "recordings");
  await page.getByRole("link", { name: "Play" }).first().click();
  await until("the pictures", async () => (await page.locator("video").count()) > 0);
  await everywhere(clinician, "playback");
  await open(page, `/consultations/${visit}`);
  await page.getByText("Completed").first().waitFor();
  await everywhere(clinician, "consultation-over");
  await open(auditor.page, "/retention");
  await auditor.page.locator("table").first().waitFor();
  await everywhere(auditor, "retention-filled");
});
