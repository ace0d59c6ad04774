// A patient's own report: a file that checks itself in a browser, without a server. What it shows of an entry is read from the entry's own
// bytes after they were proved; nothing is shown that was not, but for names of staff, which say so.
import { checkSignature, fingerprint } from "../log/checkpoint";
import { checkProved, isIncluded, type Proved } from "../log/proved";
import { unhex } from "../log/tree";
import { eventSentence, word, type ReportLanguage, type Word } from "./words";

interface Content {
  clinic: string;
  server: string;
  made_at: string;
  language: ReportLanguage;
  patient: { id: string; name: string | null; identifier: string | null; birth_date: string | null };
  checkpoint: string;
  verifier_key: string;
  names: Record<string, string>;
  entries: (Proved | Withheld)[];
}

/** An entry that names others too: its hash is proved, and what it says is the clinic's word. */
interface Withheld {
  readonly index: number;
  readonly leaf_hash: string;
  readonly inclusion_proof: readonly string[];
  readonly summary: Entry;
}

interface Entry {
  at: string;
  event: string;
  outcome: "success" | "denied" | "failure";
  agent: { kind: string; id: string | null; role: string | null };
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, text = "", kind = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function who(content: Content, { agent }: Entry): string {
  const say = (key: Word, values: Record<string, string> = {}): string => word(content.language, key, values);
  const role = (agent.role ?? "").replace(/_/g, " ");
  const name = agent.id ? content.names[agent.id] : undefined;
  if (name) return `${name}${role ? ` (${role})` : ""}`;
  if (agent.kind === "account") return say("staff", { role });
  if (agent.kind === "participant") return say("you", { role });
  return say(agent.kind === "system" ? "system" : "anonymous");
}

interface Shown {
  readonly entry: Entry;
  readonly notes: readonly string[];
}

/** What may be shown of an entry; null if it is not proved. */
async function prove(content: Content, one: Proved | Withheld): Promise<Shown | null> {
  try {
    if ("leaf_hash" in one) {
      const included = await isIncluded(unhex(one.leaf_hash), one, content.checkpoint, content.verifier_key);
      return included ? { entry: one.summary, notes: [word(content.language, "word")] } : null;
    }
    const { included, altered, values } = await checkProved(one, content.checkpoint, content.verifier_key);
    const about = one.body.includes(`{"id":"${content.patient.id}","kind":"patient"}`);
    if (!included || altered || !about) return null;
    return { entry: JSON.parse(one.body) as Entry, notes: values.map(([name, value]) => `${name.replace(/_/g, " ")}: ${value}`) };
  } catch {
    return null;
  }
}

async function show(content: Content, root: HTMLElement): Promise<void> {
  const say = (key: Word, values: Record<string, string> = {}): string => word(content.language, key, values);
  const { patient } = content;
  document.title = `${say("title")} · ${content.clinic}`;
  const verdict = element("p", say("checking"), "verdict");
  verdict.setAttribute("role", "status");
  const person = patient.name
    ? say("for", { name: patient.name, birth: patient.birth_date ?? "", number: patient.identifier ?? "" })
    : say("erased", { id: patient.id });
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const key of ["when", "what", "how", "proof"] as const) {
    const cell = element("th", say(key));
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  root.replaceChildren(
    element("h1", say("title")),
    element("p", person, "person"),
    element("p", say("by", { clinic: content.clinic, date: content.made_at.slice(0, 10) })),
    verdict,
    element("h2", say("entries", { count: String(content.entries.length) })),
    table,
    element("h2", say("shows")),
    element("p", say("shows_text")),
    element("h3", say("fingerprint")),
    element("pre", await fingerprint(content.verifier_key)),
    element("h3", say("checkpoint")),
    element("pre", content.checkpoint),
    element("p", `${content.server} · ${say("offline")}`, "soft"),
  );
  let good = content.entries.length > 0;
  let last = -1;
  for (const one of content.entries) {
    // none is there twice
    const shown = one.index > last ? await prove(content, one) : null;
    last = one.index;
    const proved = shown !== null;
    good &&= proved;
    const row = body.insertRow();
    if (!proved) row.className = "bad";
    if (shown) {
      row.append(element("td", shown.entry.at.slice(0, 19).replace("T", " ")));
      const what = element("td", eventSentence(content.language, shown.entry.event, who(content, shown.entry)));
      for (const note of shown.notes) what.append(element("div", note, "soft"));
      row.append(what, element("td", say(shown.entry.outcome)));
    } else {
      row.append(element("td"), element("td"), element("td"));
    }
    const mark = element("td", say(proved ? "proved" : "unproved"));
    mark.append(element("div", say("no", { index: String(one.index) }), "soft"));
    row.append(mark);
  }
  const signature = await checkSignature(content.checkpoint, content.verifier_key);
  const kind = !good || signature === "bad" ? "bad" : signature === "good" ? "good" : "unsigned";
  verdict.textContent = say(kind);
  verdict.className = `verdict verdict--${kind}`;
}

const root = document.getElementById("report");
const text = document.getElementById("content")?.textContent;

async function begin(): Promise<void> {
  if (!root) return;
  try {
    await show(JSON.parse(text ?? "") as Content, root);
  } catch {
    // what cannot even be read does not hold
    root.replaceChildren(element("p", word(document.documentElement.lang === "es" ? "es" : "en", "bad"), "verdict verdict--bad"));
  }
}

void begin();
