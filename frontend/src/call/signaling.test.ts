import { describe, expect, it } from "vitest";
import { OPEN_TIMEOUT_MS, SignalingClient, type SignalingEvent, type Socket, type TicketOutcome } from "./signaling";
import { fakeTimers, settled } from "./testing";

class FakeSocket implements Socket {
  readonly sent: unknown[] = [];
  closedWith: number | "no code" | null = null;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closedWith = code ?? "no code";
  }
}

const SNAPSHOT = JSON.stringify({
  type: "snapshot",
  consultation: { id: "c", status: "in_progress" },
  self: { id: "p", role: "patient", place: "lobby", may_admit: false, may_record: false, may_end: false },
  participants: [],
  slots: [],
  recording: null,
});

function setUp(tickets: (number: number) => TicketOutcome = (number) => ({ kind: "ticket", ticket: `ticket-${number}` })) {
  const timers = fakeTimers();
  const sockets: FakeSocket[] = [];
  const events: SignalingEvent[] = [];
  let asked = 0;
  const client = new SignalingClient(
    {
      ticket: () => {
        asked += 1;
        return Promise.resolve(tickets(asked));
      },
      open: () => {
        const socket = new FakeSocket();
        sockets.push(socket);
        return socket;
      },
      timers,
    },
    (event) => events.push(event),
  );
  const latest = (): FakeSocket => sockets[sockets.length - 1] as FakeSocket;
  const open = async (): Promise<FakeSocket> => {
    await settled();
    latest().onopen?.();
    latest().onmessage?.({ data: SNAPSHOT });
    return latest();
  };
  return { client, timers, sockets, events, latest, open, asked: () => asked };
}

describe("connecting", () => {
  it("sends hello with the ticket as the first message", async () => {
    const { client, open } = setUp();
    client.start();
    const socket = await open();
    client.send({ type: "state", microphone: true, camera: false, screen: false });
    expect(socket.sent).toEqual([
      { type: "hello", ticket: "ticket-1" },
      { type: "state", microphone: true, camera: false, screen: false },
    ]);
  });

  it("sends nothing before hello", async () => {
    const { client, latest } = setUp();
    client.start();
    await settled();
    expect(client.send({ type: "leave" })).toBe(false);
    expect(latest().sent).toEqual([]);
  });

  it("gives up a socket that never brings a snapshot", async () => {
    const { client, timers, latest, events } = setUp();
    client.start();
    await settled();
    latest().onopen?.();
    timers.advance(OPEN_TIMEOUT_MS);
    expect(latest().closedWith).toBe("no code");
    expect(events.at(-1)).toMatchObject({ type: "waiting", failures: 1 });
  });
});

describe("reconnecting", () => {
  it("waits 0.5, 1, 2, 4, 8 and again 8 seconds, each time with a fresh ticket", async () => {
    const { client, timers, latest, events, asked } = setUp();
    client.start();
    const delays: number[] = [];
    for (let round = 0; round < 6; round += 1) {
      await settled();
      latest().onclose?.({ code: 1006 });
      const last = events.at(-1);
      if (last?.type !== "waiting") throw new Error("not waiting");
      delays.push(last.retryInMs);
      timers.advance(last.retryInMs);
    }
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 8000]);
    expect(asked()).toBe(7);
  });

  it("starts again at 0.5 seconds once a snapshot came", async () => {
    const { client, timers, open, events } = setUp();
    client.start();
    (await open()).onclose?.({ code: 1006 });
    timers.advance(500);
    (await open()).onclose?.({ code: 1011 });
    expect(events.at(-1)).toEqual({ type: "waiting", failures: 1, retryInMs: 500 });
  });

  it("tries at once when asked to, but never opens two sockets", async () => {
    const { client, timers, sockets, open } = setUp();
    client.start();
    (await open()).onclose?.({ code: 1006 });
    client.retryNow();
    client.retryNow();
    await open();
    client.retryNow();
    timers.advance(60_000);
    await settled();
    expect(sockets).toHaveLength(2);
  });

  it("waits as long as the server asks", async () => {
    const { client, events } = setUp(() => ({ kind: "retry", afterMs: 20_000 }));
    client.start();
    await settled();
    expect(events.at(-1)).toEqual({ type: "waiting", failures: 1, retryInMs: 20_000 });
  });

  it("ignores a former socket that speaks late", async () => {
    const { client, timers, open, sockets, events } = setUp();
    client.start();
    await open();
    const former = sockets[0] as FakeSocket;
    const { onclose, onmessage } = former;
    client.reopen();
    timers.advance(500);
    await open();
    const before = events.length;
    onmessage?.({ data: SNAPSHOT });
    onclose?.({ code: 4410 });
    expect(events).toHaveLength(before);
  });
});

describe("the end", () => {
  it.each([1000, 4400, 4401, 4403, 4409, 4410, 4429])("close code %i is final", async (code) => {
    const { client, timers, open, events, sockets } = setUp();
    client.start();
    (await open()).onclose?.({ code });
    timers.advance(60_000);
    await settled();
    expect(events.at(-1)).toEqual({ type: "closed", code });
    expect(sockets).toHaveLength(1);
  });

  it("a refused ticket is final", async () => {
    const { client, timers, sockets, events } = setUp(() => ({ kind: "over", reason: "ended" }));
    client.start();
    await settled();
    timers.advance(60_000);
    expect(events.at(-1)).toEqual({ type: "refused", reason: "ended" });
    expect(sockets).toHaveLength(0);
  });

  it.each([
    ["text that is not a message", "nonsense"],
    ["a binary frame", new ArrayBuffer(4)],
  ])("%s ends the connection with 4400", async (_name, data) => {
    const { client, open, events } = setUp();
    client.start();
    const socket = await open();
    socket.onmessage?.({ data });
    expect(socket.closedWith).toBe(4400);
    expect(events.at(-1)).toEqual({ type: "closed", code: 4400 });
  });

  it("leaving says so and opens nothing any more", async () => {
    const { client, timers, open, sockets } = setUp();
    client.start();
    const socket = await open();
    client.leave();
    timers.advance(60_000);
    await settled();
    expect(socket.sent.at(-1)).toEqual({ type: "leave" });
    expect(socket.closedWith).toBe(1000);
    expect(sockets).toHaveLength(1);
  });

  it("stopping while a ticket is on its way opens nothing", async () => {
    const { client, sockets } = setUp();
    client.start();
    client.stop();
    await settled();
    expect(sockets).toHaveLength(0);
  });
});
