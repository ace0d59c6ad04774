import { describe, expect, it } from "vitest";
import { aboutText, initialState, reduce, type CallEvent, type CallState, type Effect } from "./model";
import type { LastRecording, Participant, RecordingStatus, Snapshot } from "./protocol";
import {
  FAILURES_UNTIL_FAILED,
  MEDIA_FAILURES_UNTIL_FAILED,
  connection,
  consentPrompt,
  mayRecord,
  noRecording,
  recordingView,
  standings,
  tiles,
  waiting,
} from "./view";

const ALL = { microphone: true, camera: true, screen: false };

function person(id: string, change: Partial<Participant> = {}): Participant {
  return { id, name: `Name of ${id}`, role: "patient", place: "in_call", presence: "connected", ...ALL, ...change };
}

const DOCTOR = person("doctor", { role: "practitioner" });

function snapshot(self: "doctor" | "patient", change: Partial<Snapshot> & { place?: "lobby" | "in_call" } = {}): Snapshot {
  const { place = "in_call", ...rest } = change;
  const may = self === "doctor";
  return {
    type: "snapshot",
    consultation: { id: "c", status: "in_progress" },
    self: {
      id: self,
      role: may ? "practitioner" : "patient",
      place,
      may_admit: may,
      may_record: may,
      may_end: may,
    },
    participants: place === "lobby" ? [person(self, { place })] : [DOCTOR, person("patient")],
    slots: place === "lobby" ? [] : [{ slot: 0, participant: may ? "patient" : "doctor" }],
    recording: null,
    last_recording: null,
    wanted: [],
    declined: [],
    ...rest,
  };
}

function recording(state: RecordingStatus["state"], decisions: Record<string, "pending" | "permit" | "deny">): RecordingStatus {
  return {
    id: "r",
    state,
    requested_by: "doctor",
    started_at: state === "requested" ? null : "2026-01-01T09:00:00Z",
    text: "recording-audio-video",
    version: "1",
    text_changed: false,
    kinds: ["audio", "video"],
    decisions: Object.entries(decisions).map(([participant, decision]) => {
      const yes = decision === "permit";
      return { participant, decision, audio: yes, video: yes };
    }),
  };
}

function run(events: readonly CallEvent[], from: CallState = initialState(ALL)): { state: CallState; effects: Effect[] } {
  let state = from;
  const effects: Effect[] = [];
  for (const event of events) {
    const step = reduce(state, event);
    state = step.state;
    effects.push(...step.effects);
  }
  return { state, effects };
}

const shown = (value: Snapshot): CallEvent => ({ type: "snapshot", snapshot: value });
const kinds = (effects: readonly Effect[]): string[] => effects.map((effect) => effect.kind);
const OPENING: CallEvent[] = [{ type: "signaling_connecting" }, { type: "signaling_open" }];
const CONNECTED: CallEvent = { type: "media", status: "connected" };
const inCall = (self: "doctor" | "patient" = "patient"): CallState =>
  run([...OPENING, shown(snapshot(self)), CONNECTED]).state;

describe("connection", () => {
  it("is connecting until the first snapshot, and in the lobby connected without media", () => {
    expect(connection(run(OPENING).state).status).toBe("connecting");
    expect(connection(run([...OPENING, shown(snapshot("patient", { place: "lobby" }))]).state).status).toBe("connected");
  });

  it("in the call is connected only when media flows", () => {
    const { state } = run([...OPENING, shown(snapshot("patient")), { type: "media", status: "negotiating" }]);
    expect(connection(state)).toMatchObject({ status: "connecting", advice: "wait" });
    expect(connection(inCall()).status).toBe("connected");
  });

  it("is reconnecting after a lost socket, then failed with something to do", () => {
    const lost = (failures: number): CallEvent => ({ type: "signaling_waiting", failures, retryInMs: 500 });
    expect(connection(run([lost(1)], inCall()).state)).toEqual({ status: "reconnecting", advice: "wait", canRetry: true });
    expect(connection(run([lost(FAILURES_UNTIL_FAILED)], inCall()).state)).toEqual({
      status: "failed",
      advice: "check_internet",
      canRetry: true,
    });
  });

  it("says so when this device is offline", () => {
    const { state } = run(
      [{ type: "online", online: false }, { type: "signaling_waiting", failures: 9, retryInMs: 500 }],
      inCall(),
    );
    expect(connection(state)).toEqual({ status: "reconnecting", advice: "offline", canRetry: false });
  });

  it("blames the network when signaling works and media repeatedly does not", () => {
    const failed: CallEvent = { type: "media", status: "failed" };
    expect(connection(run([failed], inCall()).state).status).toBe("reconnecting");
    const { state } = run(Array(MEDIA_FAILURES_UNTIL_FAILED).fill(failed), inCall());
    expect(connection(state)).toEqual({ status: "failed", advice: "other_network", canRetry: true });
  });

  it("forgets failures once it works again", () => {
    const { state } = run([{ type: "media", status: "failed" }, { type: "media", status: "failed" }, CONNECTED], inCall());
    expect(state.media).toEqual({ status: "connected", failures: 0 });
  });

  it("an interruption that may heal is shown as reconnecting", () => {
    const { state } = run([{ type: "media", status: "failed" }, { type: "media", status: "interrupted" }], inCall());
    expect(connection(state).status).toBe("reconnecting");
  });
});

describe("media follows the place", () => {
  it("offers when admitted, and only then", () => {
    const lobby = run([...OPENING, shown(snapshot("patient", { place: "lobby" }))]);
    expect(kinds(lobby.effects)).toEqual(["tell_state"]);
    const admitted = run([shown(snapshot("patient"))], lobby.state);
    expect(kinds(admitted.effects)).toEqual(["offer", "admitted"]);
    expect(kinds(run([shown(snapshot("patient"))], admitted.state).effects)).toEqual([]);
  });

  it("offers anew after every reconnection, and tells its mute state again", () => {
    const { effects } = run(
      [{ type: "signaling_waiting", failures: 1, retryInMs: 500 }, ...OPENING, shown(snapshot("patient"))],
      inCall(),
    );
    expect(kinds(effects)).toEqual(["offer", "tell_state"]);
  });

  it("stops media when put back into the lobby", () => {
    const { state, effects } = run([shown(snapshot("patient", { place: "lobby" }))], inCall());
    expect(kinds(effects)).toEqual(["stop_media"]);
    expect(state.media.status).toBe("none");
  });
});

describe("the end", () => {
  it.each([
    [1000, "left"],
    [4400, "fault"],
    [4401, "refused"],
    [4403, "removed"],
    [4409, "replaced"],
    [4410, "consultation_ended"],
    [4429, "fault"],
  ] as const)("close code %i means %s", (code, ending) => {
    const { state, effects } = run([{ type: "signaling_closed", code }], inCall());
    expect(state.ending).toBe(ending);
    expect(kinds(effects)).toEqual(["release"]);
    expect(connection(state).status).toBe("ended");
  });

  it("4403 in the lobby is being turned away", () => {
    const lobby = run([...OPENING, shown(snapshot("patient", { place: "lobby" }))]).state;
    expect(run([{ type: "signaling_closed", code: 4403 }], lobby).state.ending).toBe("turned_away");
  });

  it("a snapshot of a completed consultation ends the call", () => {
    const over = snapshot("patient", { consultation: { id: "c", status: "completed" } });
    const { state, effects } = run([shown(over)], inCall());
    expect(state.ending).toBe("consultation_ended");
    expect(kinds(effects)).toEqual(["release"]);
  });

  it("nothing changes a call that is over", () => {
    const over = run([{ type: "leave" }], inCall()).state;
    const { state, effects } = run([shown(snapshot("patient")), { type: "signaling_closed", code: 4410 }], over);
    expect(state).toBe(over);
    expect(effects).toEqual([]);
  });
});

describe("arrivals", () => {
  const waits = (...ids: string[]): Snapshot =>
    snapshot("doctor", { participants: [DOCTOR, ...ids.map((id) => person(id, { place: "lobby" }))] });

  it("chime once for each newcomer, also for someone who waited before the page was opened", () => {
    const first = run([...OPENING, shown(waits("patient"))]);
    expect(first.effects.filter((effect) => effect.kind === "arrival")).toEqual([
      { kind: "arrival", people: [person("patient", { place: "lobby" })] },
    ]);
    expect(waiting(first.state).map((one) => one.id)).toEqual(["patient"]);
    expect(kinds(run([shown(waits("patient"))], first.state).effects)).toEqual([]);
    expect(kinds(run([shown(waits("patient", "sister"))], first.state).effects)).toEqual(["arrival"]);
  });

  it("chime again for someone who left and came back", () => {
    const gone = run([...OPENING, shown(waits("patient")), shown(waits())]).state;
    expect(kinds(run([shown(waits("patient"))], gone).effects)).toEqual(["arrival"]);
  });

  it("never reach someone who may not admit", () => {
    const others = snapshot("patient", { participants: [DOCTOR, person("patient"), person("x", { place: "lobby" })] });
    const { state, effects } = run([...OPENING, shown(others)]);
    expect(kinds(effects)).not.toContain("arrival");
    expect(waiting(state)).toEqual([]);
  });

  it("who enters and who goes is told, but not to someone who just came", () => {
    const three = snapshot("patient", { participants: [DOCTOR, person("patient"), person("sister")] });
    const entered = run([shown(three)], inCall());
    expect(entered.effects).toEqual([{ kind: "entered", name: "Name of sister" }]);
    expect(run([shown(snapshot("patient"))], entered.state).effects).toEqual([{ kind: "went", name: "Name of sister" }]);
    expect(kinds(run([...OPENING, shown(three)]).effects)).not.toContain("entered");
  });
});

describe("tiles", () => {
  it("put a shared screen first and know which slot carries it", () => {
    const sharing = snapshot("patient", { participants: [{ ...DOCTOR, screen: true, camera: false }, person("patient")] });
    expect(tiles(run([shown(sharing)], inCall()).state)).toMatchObject([
      { key: "doctor/screen", slot: 0, picture: true },
      { key: "doctor/camera", slot: 0, picture: false },
    ]);
  });
});

describe("recording", () => {
  const asked = snapshot("patient", { recording: recording("requested", { doctor: "permit", patient: "pending" }) });

  it("asks for consent exactly while the own decision is pending", () => {
    const { state, effects } = run([shown(asked)], inCall());
    expect(consentPrompt(state)).toEqual({
      recording: "r",
      text: "recording-audio-video",
      version: "1",
      askedBy: "Name of doctor",
      newcomer: false,
      changed: false,
    });
    expect(effects).toEqual([{ kind: "recording", change: "requested" }]);
    const active = snapshot("patient", { recording: recording("active", { doctor: "permit", patient: "permit" }) });
    const after = run([shown(active)], state).state;
    expect(consentPrompt(after)).toBeNull();
    expect(recordingView(after)).toMatchObject({ mayWithdraw: true, mayStop: false, undecided: [] });
  });

  it("hides the question while a decision is on its way, and brings it back if that failed", () => {
    const deciding = run([shown(asked), { type: "deciding", about: "r" }], inCall()).state;
    expect(consentPrompt(deciding)).toBeNull();
    expect(consentPrompt(run([shown(asked)], deciding).state)).toBeNull();
    expect(consentPrompt(run([{ type: "deciding", about: null }], deciding).state)).not.toBeNull();
  });

  it("an answer that the snapshot told first does not hide the same question asked again", () => {
    const declined = snapshot("patient", { recording: recording("paused", { doctor: "permit", patient: "deny" }) });
    const late = run([shown(asked), shown(declined), { type: "deciding", about: "r" }], inCall()).state;
    expect(late.deciding).toBeNull();
    const again = snapshot("patient", { recording: recording("paused", { doctor: "permit", patient: "pending" }) });
    expect(consentPrompt(run([shown(again)], late).state)?.recording).toBe("r");
  });

  it("a new question is asked even if the former one was being answered", () => {
    const deciding = run([shown(asked), { type: "deciding", about: "r" }], inCall()).state;
    const again = { ...asked, recording: { ...recording("requested", { patient: "pending" }), id: "r2" } };
    expect(consentPrompt(run([shown(again)], deciding).state)?.recording).toBe("r2");
  });

  it("does not ask someone in the lobby", () => {
    const lobby = { ...asked, self: { ...asked.self, place: "lobby" as const } };
    expect(consentPrompt(run([...OPENING, shown(lobby)]).state)).toBeNull();
  });

  it("tells the clinician who has not decided, and a newcomer that recording waits for them", () => {
    const paused = recording("paused", { doctor: "permit", patient: "pending" });
    const doctor = run([shown(snapshot("doctor", { recording: paused }))], inCall("doctor")).state;
    expect(recordingView(doctor)).toMatchObject({ undecided: ["Name of patient"], mayWithdraw: true, mayStop: true });
    expect([mayRecord(doctor), noRecording(doctor)]).toEqual([true, "running"]);
    const newcomer = run([shown(snapshot("patient", { recording: paused }))], inCall()).state;
    expect(consentPrompt(newcomer)).toMatchObject({ newcomer: true });
  });

  const ended = (last: LastRecording): CallEvent => shown(snapshot("patient", { last_recording: last }));

  it.each(["refused", "withdrawn", "stopped", "failed"] as const)("says that it was %s, and by whom", (outcome) => {
    const before = run([shown(asked)], inCall()).state;
    const { state, effects } = run([ended({ id: "r", outcome, by: "doctor", kept: "keep_until_review" })], before);
    const notice = { id: "r", outcome, by: "Name of doctor", byMe: false, hadBegun: false, kept: "keep_until_review" };
    expect(state.notice).toEqual(notice);
    expect(effects).toEqual([{ kind: "recording", change: outcome }]);
    expect(recordingView(state)).toBeNull();
    expect(run([{ type: "dismiss_notice" }], state).state.notice).toBeNull();
  });

  it("tells a refusal that ended a recording from one that kept it from beginning", () => {
    const paused = snapshot("patient", { recording: recording("paused", { doctor: "permit", patient: "pending" }) });
    const { state } = run([shown(paused), ended({ id: "r", outcome: "refused", by: "patient", kept: null })], inCall());
    expect(state.notice).toMatchObject({ byMe: true, hadBegun: true });
  });

  it("an outcome is told once, and not at all when it is older than the page", () => {
    const last: LastRecording = { id: "r", outcome: "stopped", by: "doctor", kept: null };
    const fresh = run([...OPENING, ended(last)]);
    expect(fresh.state.notice).toBeNull();
    expect(kinds(run([ended(last)], fresh.state).effects)).toEqual([]);
  });

  it("can be asked for only with somebody else in the call", () => {
    expect(noRecording(inCall("doctor"))).toBeNull();
    expect(noRecording(run([shown(snapshot("doctor", { participants: [DOCTOR] }))], inCall("doctor")).state)).toBe("alone");
    const lost = run([{ type: "signaling_waiting", failures: 1, retryInMs: 500 }], inCall("doctor")).state;
    expect(noRecording(lost)).toBe("not_connected");
    expect(mayRecord(inCall("patient"))).toBe(false);
  });

  it("shows what each allows, and who keeps it paused", () => {
    const paused = recording("paused", { doctor: "permit", patient: "deny" });
    const [first, second] = paused.decisions;
    if (!first || !second) throw new Error("two decisions");
    const soundOnly = { ...paused, decisions: [{ ...first, video: false }, second] };
    const doctor = run([shown(snapshot("doctor", { recording: soundOnly }))], inCall("doctor")).state;
    expect(standings(doctor).map((one) => [one.mine, one.stand])).toEqual([[true, "audio"], [false, "deny"]]);
    expect(recordingView(doctor)).toMatchObject({ declined: ["Name of patient"], iDeclined: false });
    const patient = run([shown(snapshot("patient", { recording: soundOnly }))], inCall()).state;
    expect(recordingView(patient)).toMatchObject({ declined: [], iDeclined: true });
    expect(consentPrompt(patient)).toBeNull();
  });

  it("asks about a text that is not about a recording, until it is answered", () => {
    const wanted = snapshot("patient", { wanted: [{ text: "interpreter-presence", version: "1" }] });
    const { state } = run([shown(wanted)], inCall());
    expect(consentPrompt(state)).toMatchObject({ recording: null, text: "interpreter-presence" });
    const deciding = run([{ type: "deciding", about: aboutText("interpreter-presence") }], state).state;
    expect(consentPrompt(deciding)).toBeNull();
    expect(consentPrompt(run([shown(wanted)], deciding).state)).toBeNull();
    expect(run([shown(snapshot("patient"))], deciding).state.deciding).toBeNull();
  });

  it("says that somebody is asked anew because the words changed", () => {
    const changed = { ...recording("paused", { doctor: "permit", patient: "pending" }), version: "2", text_changed: true };
    const { state } = run([shown(snapshot("patient", { recording: changed }))], inCall());
    expect(consentPrompt(state)).toMatchObject({ version: "2", changed: true });
  });
});

describe("chat", () => {
  const received = (id: string, from: string): CallEvent => ({
    type: "chat_received",
    chat: { id, from, text: "hello" },
    at: 5,
  });

  it("counts unread messages only while the panel is hidden", () => {
    const { state, effects } = run([received("1", "doctor"), received("2", "doctor")], inCall());
    expect(state.chat.unread).toBe(2);
    expect(effects[0]).toEqual({ kind: "chat_arrived", name: "Name of doctor", text: "hello" });
    const opened = run([{ type: "chat_visible", visible: true }, received("3", "doctor")], state).state;
    expect(opened.chat.unread).toBe(0);
    expect(opened.chat.entries).toHaveLength(3);
  });

  it("marks an own message as delivered by its receipt", () => {
    const sent = run([{ type: "chat_sent", id: "1", text: "hi", at: 1 }], inCall()).state;
    expect(sent.chat.entries[0]).toMatchObject({ own: true, delivery: "sending" });
    expect(run([received("1", "patient")], sent).state.chat.entries).toMatchObject([{ delivery: "delivered" }]);
  });

  it("sends again what had no receipt when the channel opens anew, and drops what came twice", () => {
    const sent = run([{ type: "chat_sent", id: "1", text: "hi", at: 1 }, { type: "chat_closed" }], inCall()).state;
    const { effects } = run([{ type: "chat_open" }], sent);
    expect(effects).toMatchObject([{ kind: "chat_resend", entries: [{ id: "1" }] }]);
    const twice = run([received("9", "doctor"), received("9", "doctor")], inCall()).state;
    expect(twice.chat.entries).toHaveLength(1);
  });

  it("keeps the name of a sender who has left", () => {
    const alone = snapshot("patient", { participants: [person("patient")] });
    const { state } = run([received("1", "doctor"), shown(alone)], inCall());
    expect(state.chat.entries[0]?.name).toBe("Name of doctor");
  });
});
