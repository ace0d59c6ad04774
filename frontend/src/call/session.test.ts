import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LocalMedia } from "./local-media";
import { CAMERA_MAX_BITRATE, CONNECT_TIMEOUT_MS, DISCONNECTED_PATIENCE_MS } from "./peer";
import { ANSWER_TIMEOUT_MS, CallSession } from "./session";
import type { Socket } from "./signaling";
import { fakeTimers, settled } from "./testing";

class FakeTrack extends EventTarget {
  enabled = true;
  readyState = "live";
  onended: (() => void) | null = null;

  constructor(readonly kind: "audio" | "video") {
    super();
  }

  stop(): void {
    this.readyState = "ended";
  }

  getSettings(): object {
    return {};
  }
}

class FakeStream {
  constructor(readonly tracks: FakeTrack[]) {}
  getAudioTracks = (): FakeTrack[] => this.tracks.filter((track) => track.kind === "audio");
  getVideoTracks = (): FakeTrack[] => this.tracks.filter((track) => track.kind === "video");
}

interface FakeSender {
  track: FakeTrack | null;
  replaceTrack: (track: FakeTrack | null) => Promise<void>;
}

class FakePeerConnection {
  readonly lines: string[] = [];
  readonly encodings: unknown[] = [];
  readonly senders: FakeSender[] = [];
  connectionState = "new";
  localDescription: { sdp: string } | null = null;
  remote: string | null = null;
  closed = false;
  onconnectionstatechange: (() => void) | null = null;
  channel = {
    readyState: "connecting",
    sent: [] as string[],
    send: (text: string): void => void this.channel.sent.push(text),
    onopen: null as (() => void) | null,
    onclose: null as (() => void) | null,
    onmessage: null as ((event: { data: unknown }) => void) | null,
  };

  constructor(
    readonly configuration: RTCConfiguration,
    private readonly number: number,
  ) {}

  addTransceiver(kind: "audio" | "video", init: { direction: string; sendEncodings?: unknown }): object {
    this.lines.push(`${kind} ${init.direction}`);
    this.encodings.push(init.sendEncodings ?? null);
    const sender: FakeSender = {
      track: null,
      replaceTrack: async (track) => {
        sender.track = track;
      },
    };
    this.senders.push(sender);
    return { sender, receiver: { track: new FakeTrack(kind) } };
  }

  createDataChannel(label: string, options: { ordered: boolean }): object {
    this.lines.push(`data ${label} ${options.ordered ? "ordered" : ""}`);
    return this.channel;
  }

  async createOffer(): Promise<{ sdp: string }> {
    return { sdp: `offer-${this.number}` };
  }

  async setLocalDescription(description: { sdp: string }): Promise<void> {
    this.localDescription = description;
  }

  async setRemoteDescription(description: { sdp: string }): Promise<void> {
    this.remote = description.sdp;
  }

  async getStats(): Promise<Map<string, object>> {
    return new Map([["v", { type: "inbound-rtp", kind: "video", framesDecoded: 10 * this.number, packetsReceived: 5 }]]);
  }

  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  close(): void {
    this.closed = true;
  }
}

const snapshot = (place: "lobby" | "in_call"): string =>
  JSON.stringify({
    type: "snapshot",
    consultation: { id: "c", status: "in_progress" },
    self: { id: "p", role: "patient", place, may_admit: false, may_record: false, may_end: false },
    participants: [{ id: "p", name: "Sam", role: "patient", place, presence: "connected", microphone: true, camera: true, screen: false }],
    slots: [],
    recording: null,
  });

async function setUp() {
  const timers = fakeTimers();
  const sockets: (Socket & { sent: Record<string, unknown>[]; closed: boolean })[] = [];
  const peers: FakePeerConnection[] = [];
  const left: string[] = [];
  const media = new LocalMedia();
  await media.openAll();
  const session = new CallSession(
    {
      ticket: async () => ({ kind: "ticket", ticket: "t" }),
      leaveByHttp: () => void left.push("http"),
      iceServers: [],
      openSocket: () => {
        const socket = {
          sent: [] as Record<string, unknown>[],
          closed: false,
          onopen: null,
          onmessage: null,
          onclose: null,
          send: (text: string) => void socket.sent.push(JSON.parse(text) as Record<string, unknown>),
          close: () => void (socket.closed = true),
        };
        sockets.push(socket);
        return socket;
      },
      timers,
      now: () => 0,
      newId: () => "id-1",
      makePeerConnection: (configuration) => {
        const peer = new FakePeerConnection(configuration, peers.length + 1);
        peers.push(peer);
        return peer as unknown as RTCPeerConnection;
      },
    },
    media,
  );
  const socket = (): (typeof sockets)[number] => sockets[sockets.length - 1] as (typeof sockets)[number];
  const peer = (): FakePeerConnection => peers[peers.length - 1] as FakePeerConnection;
  const say = async (text: string): Promise<void> => {
    socket().onmessage?.({ data: text });
    await settled();
  };
  const open = async (place: "lobby" | "in_call"): Promise<void> => {
    await settled();
    socket().onopen?.();
    await say(snapshot(place));
  };
  const answer = (sdp = "answer"): Promise<void> => say(JSON.stringify({ type: "answer", sdp, key_epoch: 0 }));
  const connected = async (): Promise<void> => {
    session.start();
    await open("in_call");
    await answer();
    peer().become("connected");
  };
  return { timers, sockets, peers, left, media, session, socket, peer, say, open, answer, connected };
}

beforeEach(() => {
  vi.stubGlobal("MediaStream", FakeStream);
  vi.stubGlobal("navigator", {
    mediaDevices: {
      getUserMedia: async (wish: { audio?: object; video?: object }) =>
        new FakeStream([...(wish.audio ? [new FakeTrack("audio")] : []), ...(wish.video ? [new FakeTrack("video")] : [])]),
    },
  });
});
afterEach(() => vi.unstubAllGlobals());

describe("the offer", () => {
  it("has exactly the m-lines of the protocol, and limits the camera", async () => {
    const { session, open, peer, socket } = await setUp();
    session.start();
    await open("in_call");
    const slot = ["audio recvonly", "video recvonly", "video recvonly"];
    expect(peer().lines).toEqual([
      "audio sendonly",
      "video sendonly",
      "video sendonly",
      ...slot,
      ...slot,
      ...slot,
      "data chat ordered",
    ]);
    expect(peer().configuration.bundlePolicy).toBe("max-bundle");
    expect(peer().encodings[1]).toEqual([{ maxBitrate: CAMERA_MAX_BITRATE }]);
    expect(socket().sent.slice(-2)).toEqual([
      { type: "offer", sdp: "offer-1", key_epoch: 0 },
      { type: "state", microphone: true, camera: true, screen: false },
    ]);
  });

  it("is not made in the lobby; being admitted makes it, with the tracks that are open", async () => {
    const { session, open, say, peers, peer } = await setUp();
    session.start();
    await open("lobby");
    expect(peers).toHaveLength(0);
    await say(snapshot("in_call"));
    expect(peer().senders.slice(0, 3).map((sender) => sender.track?.kind ?? null)).toEqual(["audio", "video", null]);
  });

  it("an answer to a former offer is not used for the present one", async () => {
    const { session, open, answer, peers, peer, timers } = await setUp();
    session.start();
    await open("in_call");
    peer().become("failed");
    timers.advance(500);
    await settled();
    expect(peers).toHaveLength(2);
    await answer("first");
    expect(peer().remote).toBeNull();
    await answer("second");
    expect(peer().remote).toBe("second");
  });

  it("without an answer reconnects the socket", async () => {
    const { session, open, timers, sockets } = await setUp();
    session.start();
    await open("in_call");
    timers.advance(ANSWER_TIMEOUT_MS);
    timers.advance(500);
    await settled();
    expect(sockets).toHaveLength(2);
  });
});

describe("media that fails", () => {
  it("is offered anew on a new peer connection after a disconnection of 4 seconds, not before", async () => {
    const { connected, peers, peer, timers } = await setUp();
    await connected();
    peer().become("disconnected");
    timers.advance(DISCONNECTED_PATIENCE_MS - 1);
    peer().become("connected");
    timers.advance(60_000);
    await settled();
    expect(peers).toHaveLength(1);
    peer().become("disconnected");
    timers.advance(DISCONNECTED_PATIENCE_MS);
    timers.advance(500);
    await settled();
    expect(peers).toHaveLength(2);
    expect(peers[0]?.closed).toBe(true);
  });

  it("is given up when it never connects", async () => {
    const { session, open, answer, peers, timers } = await setUp();
    session.start();
    await open("in_call");
    await answer();
    timers.advance(CONNECT_TIMEOUT_MS + 500);
    await settled();
    expect(peers).toHaveLength(2);
    expect(session.state.media.failures).toBe(1);
  });

  it("keeps counting frames over peer connections", async () => {
    const { connected, session, peer, timers, open, answer, socket } = await setUp();
    await connected();
    timers.advance(1000);
    await settled();
    expect(session.totals.frames).toBe(10);
    socket().onclose?.({ code: 1006 });
    timers.advance(500);
    await open("in_call");
    await answer();
    peer().become("connected");
    timers.advance(1000);
    await settled();
    expect(session.totals.frames).toBe(30);
  });
});

describe("muting", () => {
  it("takes the track off the line and tells everyone; the camera is stopped", async () => {
    const { connected, media, peer, socket } = await setUp();
    await connected();
    const camera = media.current.cameraTrack as unknown as FakeTrack;
    await media.setMicrophone(false);
    await media.setCamera(false);
    await settled();
    expect(peer().senders.slice(0, 2).map((sender) => sender.track)).toEqual([null, null]);
    expect(camera.readyState).toBe("ended");
    expect(socket().sent.at(-1)).toEqual({ type: "state", microphone: false, camera: false, screen: false });
  });
});

describe("the end", () => {
  const released = ({ media, peers, timers }: Awaited<ReturnType<typeof setUp>>, tracks: (FakeTrack | null)[]): void => {
    expect(tracks.map((track) => track?.readyState)).toEqual(["ended", "ended"]);
    expect(media.current.cameraTrack).toBeNull();
    expect(peers.every((peer) => peer.closed)).toBe(true);
    expect(timers.pending()).toBe(0);
  };
  const tracksOf = ({ media }: Awaited<ReturnType<typeof setUp>>): (FakeTrack | null)[] =>
    [media.current.microphoneTrack, media.current.cameraTrack] as unknown as (FakeTrack | null)[];

  it("leaving says so, and gives camera and microphone back at once", async () => {
    const world = await setUp();
    await world.connected();
    const tracks = tracksOf(world);
    world.session.leave();
    released(world, tracks);
    expect(world.socket().sent.at(-1)).toEqual({ type: "leave" });
    expect(world.left).toEqual(["http"]);
  });

  it("leaving without a socket is told as well", async () => {
    const world = await setUp();
    await world.connected();
    world.socket().onclose?.({ code: 1006 });
    world.session.leave();
    expect(world.left).toEqual(["http"]);
  });

  it.each([4403, 4409, 4410])("close code %i gives everything back", async (code) => {
    const world = await setUp();
    await world.connected();
    const tracks = tracksOf(world);
    world.socket().onclose?.({ code });
    released(world, tracks);
  });

  it("a page that goes away keeps the place: no leave, no close code of leaving", async () => {
    const world = await setUp();
    await world.connected();
    const tracks = tracksOf(world);
    world.session.dispose();
    released(world, tracks);
    expect(world.socket().sent.some((message) => message["type"] === "leave")).toBe(false);
  });

  it("a camera that is granted after the end is stopped at once", async () => {
    const track = new FakeTrack("video");
    let grant: () => void = () => undefined;
    vi.stubGlobal("navigator", {
      mediaDevices: { getUserMedia: () => new Promise((resolve) => (grant = () => resolve(new FakeStream([track])))) },
    });
    const media = new LocalMedia();
    const opening = media.openCamera();
    media.stopAll();
    grant();
    await opening;
    expect(track.readyState).toBe("ended");
    expect(media.current.cameraTrack).toBeNull();
  });
});

describe("chat", () => {
  it("is sent over the data channel and again when a new one opens", async () => {
    const { connected, session, peer } = await setUp();
    await connected();
    session.sendChat("hello");
    expect(peer().channel.sent).toEqual([]);
    peer().channel.readyState = "open";
    peer().channel.onopen?.();
    expect(peer().channel.sent).toEqual(['{"id":"id-1","text":"hello"}']);
    peer().channel.onmessage?.({ data: '{"id":"id-1","from":"p","text":"hello"}' });
    expect(session.state.chat.entries[0]?.delivery).toBe("delivered");
    peer().channel.onmessage?.({ data: "garbage" });
    expect(session.state.chat.entries).toHaveLength(1);
  });
});
