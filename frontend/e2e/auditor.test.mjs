// The auditor's desk: finding, following, proving; and browsers as witnesses of the log.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { api, bedside, launch, newConsultation, patientToLobby, profile, signIn, startServer, story, until } from "./harness.mjs";
import { everywhere, findings } from "./looks.mjs";

let server, browser, clinician, auditor, visit;

const step = story(() => assert.deepEqual(findings.splice(0), []));
const desk = { width: 1280, height: 900 };
const entries = (page) => page.locator(".entries > li");

before(async () => {
  server = await startServer();
  browser = await launch();
  clinician = await profile(browser, { reducedMotion: "reduce" });
  auditor = await profile(browser, { reducedMotion: "reduce" });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  server?.forget();
});

step("a clinician works, and a patient comes", async () => {
  await signIn(clinician.page, server, "clinician");
  const made = await newConsultation(clinician.page, server);
  visit = made.id;
  const patient = await profile(browser, { viewport: { width: 390, height: 844 } });
  await patientToLobby(patient.page, made.link);
  await clinician.page.goto(`${server.origin}/consultations/${visit}`);
  await patient.context.close();
});

step("the auditor narrows by who acted and what it was about", async () => {
  const { page } = auditor;
  await signIn(page, server, "auditor");
  await page.waitForURL("**/audit");
  await entries(page).first().waitFor();
  await page.getByLabel("Who acted").selectOption({ label: "Dr. Ana Ruiz" });
  await page.getByLabel("About", { exact: true }).selectOption("consultation");
  await page.getByRole("search").getByRole("button", { name: "Search" }).click();
  await until("only hers to be listed", async () => {
    const all = await entries(page).allTextContents();
    return all.length > 0 && all.every((text) => text.includes("Dr. Ana Ruiz"));
  });
});

step("an entry leads to the timeline of its consultation", async () => {
  const { page } = auditor;
  await page.getByText("Dr. Ana Ruiz created a consultation").click();
  await page.getByRole("button", { name: "Timeline of this consultation" }).first().click();
  await page.getByText(`Only consultation ${visit}`).waitFor();
  await until("the first step to stand first", async () => {
    const all = await entries(page).allTextContents();
    return all.length >= 6 && all[0].includes("created a consultation");
  });
  await everywhere(auditor, "audit-timeline");
  await page.setViewportSize(desk);
});

step("what stands out is marked, charted, and leads to its entries", async () => {
  for (let n = 0; n < 6; n += 1) assert.equal((await api(clinician.page, "POST", "/audit/search", {})).status, 403);
  const { page } = auditor;
  await page.getByRole("link", { name: "Activity" }).click();
  await page.getByRole("button", { name: "Refused repeatedly" }).waitFor();
  await page.getByRole("button", { name: "Dr. Ana Ruiz (2)" }).waitFor();
  await page.getByText("As a list").click();
  await page.getByRole("button", { name: /6 denied, \d+ stand/ }).waitFor();
  await everywhere(auditor, "audit-activity");
  await page.setViewportSize(desk);
  await page.getByRole("button", { name: "Dr. Ana Ruiz (2)" }).click();
  await until("her two last refusals", async () => {
    const all = await entries(page).allTextContents();
    return all.length === 2 && all.every((text) => text.includes("was refused") && text.includes("Refused repeatedly"));
  });
});

step("a search is kept, opened again and removed", async () => {
  const { page } = auditor;
  await page.getByRole("button", { name: "Save this search" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByText("Give it a name").waitFor();
  await dialog.getByLabel("Name").fill("Her refusals");
  await dialog.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Her refusals", exact: true }).waitFor();
  await page.getByRole("button", { name: "Clear" }).click();
  await until("everything", async () => (await entries(page).count()) > 6);
  await everywhere(auditor, "audit-saved");
  await page.setViewportSize(desk);
  await page.getByRole("button", { name: "Her refusals", exact: true }).click();
  await until("the two", async () => (await entries(page).count()) === 2);
  await page.getByRole("button", { name: "Remove “Her refusals”" }).click();
  await page.getByRole("button", { name: "Her refusals", exact: true }).waitFor({ state: "detached" });
});

step("a patient is found by name, and everything about them", async () => {
  const { page } = auditor;
  await page.getByRole("button", { name: "Clear" }).click();
  await page.getByRole("group", { name: "Patient" }).getByRole("button").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name or number").fill("abern");
  await dialog.getByRole("button", { name: "Search" }).click();
  await everywhere(auditor, "audit-patient");
  await page.setViewportSize(desk);
  await dialog.getByRole("button", { name: /Abernathy/ }).first().click();
  await page.getByRole("search").getByRole("button", { name: "Search" }).click();
  await page.getByText(/Only patient .*Abernathy/).waitFor();
  await until("what was done about them", async () => (await entries(page).allTextContents()).some((text) => text.includes("added a patient")));
  await page.getByRole("button", { name: "Timeline of this consultation" }).or(page.locator("summary", { hasText: "created a consultation" })).first().click();
  await page.getByRole("button", { name: "Timeline of this consultation" }).first().click();
  await page.getByText(`Only consultation ${visit}`).waitFor();
});

step("an entry is proved in the browser, and its file checks offline", async () => {
  const { page } = auditor;
  await page.locator("summary", { hasText: "created a consultation" }).click();
  await page.getByRole("button", { name: "Check its proof" }).click();
  await page.getByText("This entry is in the log, as it was written").waitFor();
  await page.getByText("The clinic's key signed that root.").waitFor();
  await page.getByText("127.0.0.1").first().waitFor();
  await everywhere(auditor, "audit-proof");
  await page.setViewportSize(desk);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save the entry with its proof" }).click()]);
  const folder = mkdtempSync(join(tmpdir(), "bedside-entry-"));
  const file = join(folder, "entry.json");
  await download.saveAs(file);
  assert.match(execFileSync(bedside.replace(/bedside$/, "bedside-verify"), [file], { encoding: "utf8" }), /The disclosed network is the one that was written down/);
  rmSync(folder, { recursive: true });
});

step("what was found is saved as a table and as FHIR", async () => {
  const { page } = auditor;
  const folder = mkdtempSync(join(tmpdir(), "bedside-found-"));
  for (const [kind, check] of [
    ["CSV", (text) => assert.ok(text.startsWith('"index","at","event"') && text.includes("consultation.created") && !text.includes("127.0.0.1"))],
    ["FHIR", (text) => assert.ok(JSON.parse(text).entry.some((e) => /IHE\.BasicAudit\.PatientCreate$/.test(e.resource.meta?.profile[0] ?? "")))],
  ]) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: kind, exact: true }).click()]);
    const file = join(folder, kind);
    await download.saveAs(file);
    check(readFileSync(file, "utf8"));
  }
  rmSync(folder, { recursive: true });
});

step("disclosures are written down and accounted for", async () => {
  const { page } = auditor;
  await page.getByRole("link", { name: "Reports" }).click();
  await page.getByRole("button", { name: "Choose a patient" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name or number").fill("abern");
  await dialog.getByRole("button", { name: "Search" }).click();
  await dialog.getByRole("button", { name: /Abernathy/ }).click();
  await page.getByRole("button", { name: "Write down a disclosure" }).click();
  await dialog.getByRole("button", { name: "Write down" }).click();
  await dialog.getByText("Say who received it.").waitFor();
  await everywhere(auditor, "report-disclosure");
  await page.setViewportSize(desk);
  await dialog.getByLabel("Date").fill("2026-01-15");
  await dialog.getByLabel("Recipient").fill("District Court");
  await dialog.getByLabel("What was disclosed").fill("Letter about the visit");
  await dialog.getByLabel("Purpose").fill("Court order 12/26");
  await dialog.getByRole("button", { name: "Write down" }).click();
  await page.getByRole("cell", { name: "District Court" }).waitFor();
  for (const name of ["Show", "Show"].keys()) await page.getByRole("region", { name: "For the clinic" }).getByRole("button", { name: "Show" }).nth(name).click();
  await page.getByText("Nothing was destroyed in this period.").waitFor();
  await page.getByText("Words still samples").waitFor();
  await everywhere(auditor, "reports");
  await page.setViewportSize(desk);
});

step("the patient's own report checks itself, offline, and says so when it was changed", async () => {
  const { page } = auditor;
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save the report" }).click()]);
  const folder = mkdtempSync(join(tmpdir(), "bedside-report-"));
  const file = join(folder, "access-report.html");
  await saved.saveAs(file);
  const original = readFileSync(file, "utf8");
  const reader = await profile(browser, { offline: true });
  const open = async (text, name) => {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, text);
    await reader.page.goto(`file://${path}`);
    await reader.page.locator(".verdict--good, .verdict--bad, .verdict--unsigned").waitFor().catch(() => assert.fail(`${name} comes to no end`));
    return { verdict: await reader.page.locator(".verdict").getAttribute("class"), bad: await reader.page.locator("tr.bad").count() };
  };
  assert.deepEqual(await open(original, "original"), { verdict: "verdict verdict--good", bad: 0 });
  await reader.page.getByText("Dr. Ana Ruiz (clinician) added a patient").waitFor();
  await reader.page.getByText("recipient: District Court").waitFor();
  assert.deepEqual(reader.trouble.splice(0), []);
  if (process.env.PICTURES) await reader.page.screenshot({ path: join(process.env.PICTURES, "access-report.png"), fullPage: true });
  await reader.page.setViewportSize({ width: 360, height: 740 });
  if (process.env.PICTURES) await reader.page.screenshot({ path: join(process.env.PICTURES, "access-report-phone.png"), fullPage: true });
  for (const [name, from, to, bad] of [
    ["an entry", "consultation.created", "consultation.creatEd", 1],
    ["a time", /\\"at\\":\\"2026/, '\\"at\\":\\"2025', 1],
    ["a proof", /"inclusion_proof":\["[0-9a-f]{8}/, '"inclusion_proof":["00000000', 1],
    ["the checkpoint", /(\\n)([A-Za-z0-9+/]{43}=)(\\n)/, "$1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=$3", null],
    ["what is no content", "\"entries\":[", "\"entries\":[[", null],
  ]) {
    const changed = original.replace(from, to);
    assert.notEqual(changed, original, name);
    const seen = await open(changed, name.replace(/ /g, "-"));
    assert.equal(seen.verdict, "verdict verdict--bad", name);
    if (bad !== null) assert.equal(seen.bad, bad, name);
  }
  await reader.context.close();
  rmSync(folder, { recursive: true });
  await page.goto(`${server.origin}/audit`);
  await entries(page).first().waitFor();
});

step("what the server altered on the way is not called proved", async () => {
  const { page } = auditor;
  await page.route("**/audit/entries/*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replace("consultation.created", "consultation.creatED") });
  });
  await page.getByRole("button", { name: "Clear" }).click();
  await entries(page).nth(2).waitFor();
  await page.locator("summary", { hasText: "created a consultation" }).first().click();
  await page.getByRole("button", { name: "Check its proof" }).first().click();
  await page.getByText("This entry is not proved").waitFor();
  await page.unroute("**/audit/entries/*");
});

step("every browser keeps the checkpoint it saw, and follows a log that grows", async () => {
  const { page } = auditor;
  const kept = () => page.evaluate(() => JSON.parse(localStorage.getItem("bedside.witness") ?? "null"));
  const size = async () => Number((await kept()).checkpoint.split("\n")[1]);
  const before = await size();
  await page.reload();
  await until("a later checkpoint to be kept", async () => (await size()) > before);
  assert.equal(await page.getByText("not the one this browser saw before").count(), 0);
  // patients' browsers are witnesses as well
  const stranger = await profile(browser);
  await stranger.page.goto(`${server.origin}/sign-in`);
  await until("the stranger's checkpoint", () => stranger.page.evaluate(() => localStorage.getItem("bedside.witness") !== null));
  await stranger.context.close();
});

step("a contradiction is shown and reported", async () => {
  const { page } = auditor;
  // as if this browser had seen another log of the same length, under the same key
  await page.evaluate(() => {
    const kept = JSON.parse(localStorage.getItem("bedside.witness"));
    const lines = kept.checkpoint.split("\n");
    lines[2] = btoa("another root of thirty-two bytes");
    localStorage.setItem("bedside.witness", JSON.stringify({ ...kept, checkpoint: lines.join("\n") }));
  });
  await page.reload();
  await page.getByText("The clinic's log is not the one this browser saw before").waitFor();
  await everywhere(auditor, "audit-contradiction");
  await page.setViewportSize(desk);
  const found = await api(page, "POST", "/audit/search", { event: "audit.contradicted" });
  assert.deepEqual(found.json.entries.map((entry) => [entry.detail.kind, entry.outcome]), [["not_grown", "failure"]]);
  await page.getByRole("button", { name: /trust this log from now on/ }).click();
  await page.getByText("The clinic's log is not the one this browser saw before").waitFor({ state: "detached" });
  await page.reload();
  await entries(page).first().waitFor();
  assert.equal(await page.getByText("not the one this browser saw before").count(), 0);
});

step("no page complained", () => {
  assert.deepEqual(clinician.trouble, []);
  assert.deepEqual(auditor.trouble, []);
});
