import { afterEach, describe, expect, it, vi } from "vitest";
import { browserKind, openBoth, openMicrophone, problemOf } from "./devices";
import { SilenceWatcher, levelOf } from "./sound";

afterEach(() => vi.unstubAllGlobals());

const refusal = (name: string): Error => Object.assign(new Error(name), { name });

function devices(getUserMedia: (wish: MediaStreamConstraints) => Promise<unknown>): void {
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
}

const stream = (audio: boolean, video: boolean): object => ({
  getAudioTracks: () => (audio ? ["audio"] : []),
  getVideoTracks: () => (video ? ["video"] : []),
});

describe("a refusal is typed", () => {
  it.each([
    ["NotAllowedError", "denied"],
    ["NotFoundError", "none_found"],
    ["NotReadableError", "busy"],
    ["AbortError", "busy"],
    ["SecurityError", "insecure"],
    ["OverconstrainedError", "overconstrained"],
    ["TypeError", "unsupported"],
  ] as const)("%s is %s", (name, problem) => expect(problemOf(refusal(name))).toBe(problem));

  it("a page without a secure address has no devices at all", async () => {
    vi.stubGlobal("navigator", {});
    vi.stubGlobal("isSecureContext", false);
    expect(await openMicrophone()).toEqual({ kind: "problem", problem: "insecure" });
  });
});

it("a camera that fails does not take the microphone with it", async () => {
  devices((wish) => (wish.video ? Promise.reject(refusal("NotReadableError")) : Promise.resolve(stream(true, false))));
  expect(await openBoth(undefined, {})).toEqual({
    microphone: { kind: "granted", track: "audio" },
    camera: { kind: "problem", problem: "busy" },
  });
});

it("a remembered microphone that is gone is replaced by any other", async () => {
  devices((wish) =>
    typeof wish.audio === "object" && "deviceId" in wish.audio
      ? Promise.reject(refusal("OverconstrainedError"))
      : Promise.resolve(stream(true, false)),
  );
  expect(await openMicrophone("gone")).toEqual({ kind: "granted", track: "audio" });
});

it("echo cancellation, noise suppression and gain control are always asked for", async () => {
  const asked: MediaStreamConstraints[] = [];
  devices((wish) => {
    asked.push(wish);
    return Promise.resolve(stream(true, true));
  });
  await openBoth("m", {});
  expect(asked[0]?.audio).toMatchObject({ echoCancellation: true, noiseSuppression: true, autoGainControl: true });
});

describe("words for a denied permission fit the browser", () => {
  const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15";
  it.each([
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 CriOS/123.0 Mobile Safari/604.1", 5, "safari_ios"],
    [mac, 0, "safari_mac"],
    [mac, 5, "safari_ios"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0", 0, "firefox"],
    ["Mozilla/5.0 (Windows NT 10.0) Chrome/123.0.0.0 Safari/537.36 Edg/123.0", 0, "edge"],
    ["Mozilla/5.0 (Linux; Android 14) SamsungBrowser/24.0 Chrome/117.0 Mobile Safari/537.36", 5, "samsung"],
    ["Mozilla/5.0 (Linux; Android 14) Chrome/123.0 Mobile Safari/537.36", 5, "chrome_android"],
    ["Mozilla/5.0 (Windows NT 10.0) Chrome/123.0.0.0 Safari/537.36", 0, "chrome"],
    ["curl/8", 0, "other"],
  ] as const)("%s", (agent, touch, kind) => expect(browserKind(agent, touch)).toBe(kind));
});

describe("the level meter", () => {
  it("is 0 for silence, 1 for full scale, and rises in between", () => {
    expect(levelOf([0, 0, 0])).toBe(0);
    expect(levelOf([1, -1, 1])).toBe(1);
    expect(levelOf([0.1, -0.1])).toBeGreaterThan(levelOf([0.01, -0.01]));
    expect(levelOf([])).toBe(0);
  });

  it("calls a microphone silent only after its patience, and not any more once it is heard", () => {
    const watcher = new SilenceWatcher(300);
    expect([watcher.add(0, 100), watcher.add(0, 100), watcher.add(0, 100)]).toEqual([false, false, true]);
    expect(watcher.add(0.5, 100)).toBe(false);
  });
});
