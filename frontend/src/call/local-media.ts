/**
 * The camera, microphone and screen of this browser: opened once in the device check and carried through lobby and
 * call, so that the person is asked for permission once.
 *
 * Invariants: a track that is not needed is stopped, so the camera's light tells the truth (camera off stops it; a muted
 * microphone stays open but is neither sent nor enabled); after {@link LocalMedia.stopAll} no track is alive, and one
 * that a slow permission prompt delivers later is stopped at once.
 */

import {
  openBoth,
  openCamera,
  openMicrophone,
  openScreen,
  type CameraWish,
  type DeviceProblem,
  type FacingMode,
  type TrackOutcome,
} from "./devices";
import type { Sending } from "./protocol";

export type InputStatus =
  | { readonly kind: "off" }
  | { readonly kind: "starting" }
  /** Open and sent. */
  | { readonly kind: "on" }
  /** Microphone only: open, but muted by the person. */
  | { readonly kind: "muted" }
  | { readonly kind: "problem"; readonly problem: DeviceProblem };

export interface LocalView {
  readonly microphone: InputStatus;
  readonly camera: InputStatus;
  readonly screen: boolean;
  readonly microphoneTrack: MediaStreamTrack | null;
  readonly cameraTrack: MediaStreamTrack | null;
  readonly screenTrack: MediaStreamTrack | null;
  /** The own picture is shown as in a mirror, except from a camera on the back. */
  readonly mirrored: boolean;
}

/** Which devices were chosen, remembered on this device; device ids say nothing about the person. */
interface Devices {
  readonly microphone?: string | undefined;
  readonly camera?: string | undefined;
  readonly speaker?: string | undefined;
}

/** What was switched off, remembered in this tab alone: a reload must not switch a camera on again. */
interface Switches {
  readonly cameraOff?: boolean;
  readonly microphoneMuted?: boolean;
  /** Joined without a microphone on purpose. */
  readonly listenOnly?: boolean;
}

export type Choices = Devices & Switches;

const DEVICES = "bedside.devices";
const SWITCHES = "bedside.switches";

function stored(storage: () => Storage, key: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(storage().getItem(key) ?? "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // Storage may be forbidden (private windows, strict settings): then nothing is remembered.
    return {};
  }
}

function store(storage: () => Storage, key: string, value: object): void {
  try {
    storage().setItem(key, JSON.stringify(value));
  } catch {
    // as above
  }
}

function loadChoices(): Choices {
  const devices = stored(() => localStorage, DEVICES);
  const switches = stored(() => sessionStorage, SWITCHES);
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return {
    microphone: text(devices["microphone"]),
    camera: text(devices["camera"]),
    speaker: text(devices["speaker"]),
    cameraOff: switches["cameraOff"] === true,
    microphoneMuted: switches["microphoneMuted"] === true,
    listenOnly: switches["listenOnly"] === true,
  };
}

function saveChoices({ microphone, camera, speaker, ...switches }: Choices): void {
  store(() => localStorage, DEVICES, { microphone, camera, speaker });
  store(() => sessionStorage, SWITCHES, switches);
}

export class LocalMedia {
  private view: LocalView = {
    microphone: { kind: "off" },
    camera: { kind: "off" },
    screen: false,
    microphoneTrack: null,
    cameraTrack: null,
    screenTrack: null,
    mirrored: true,
  };
  private readonly listeners = new Set<() => void>();
  private choices: Choices = loadChoices();
  private facing: FacingMode = "user";
  /** Counts {@link stopAll}: a grant that was asked for before belongs to nobody. */
  private generation = 0;

  get current(): LocalView {
    return this.view;
  }

  get chosen(): Choices {
    return this.choices;
  }

  get sending(): Sending {
    return {
      microphone: this.view.microphone.kind === "on",
      camera: this.view.camera.kind === "on",
      screen: this.view.screen,
    };
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Opens what is wanted, with a single question. What is already open stays as it is. */
  async openAll(): Promise<void> {
    const needMicrophone = this.view.microphoneTrack === null && this.choices.listenOnly !== true;
    const needCamera = this.view.cameraTrack === null && this.choices.cameraOff !== true;
    if (needMicrophone && needCamera) {
      const generation = this.generation;
      this.change({ microphone: { kind: "starting" }, camera: { kind: "starting" } });
      const outcome = await openBoth(this.choices.microphone, this.cameraWish());
      this.takeMicrophone(outcome.microphone, generation);
      this.takeCamera(outcome.camera, generation);
    } else if (needMicrophone) {
      await this.openMicrophone();
    } else if (needCamera) {
      await this.openCamera();
    }
  }

  /** Tries again after a refusal, also for what was done without meanwhile. */
  async retry(): Promise<void> {
    this.remember({ listenOnly: false });
    await this.openAll();
  }

  async openMicrophone(): Promise<void> {
    const generation = this.generation;
    this.change({ microphone: { kind: "starting" } });
    this.takeMicrophone(await openMicrophone(this.choices.microphone), generation);
  }

  async openCamera(): Promise<void> {
    const generation = this.generation;
    this.change({ camera: { kind: "starting" } });
    this.takeCamera(await openCamera(this.cameraWish()), generation);
  }

  async setMicrophone(on: boolean): Promise<void> {
    this.remember({ microphoneMuted: !on, ...(on ? { listenOnly: false } : {}) });
    const track = this.view.microphoneTrack;
    if (track === null) {
      if (on) await this.openMicrophone();
      return;
    }
    track.enabled = on;
    this.change({ microphone: { kind: on ? "on" : "muted" } });
  }

  async setCamera(on: boolean): Promise<void> {
    this.remember({ cameraOff: !on });
    if (on) {
      if (this.view.cameraTrack === null) await this.openCamera();
    } else {
      this.closeCamera();
    }
  }

  /** The next camera: the other side of a phone, else the next one in the list. */
  async switchCamera(cameras: readonly MediaDeviceInfo[]): Promise<void> {
    const current = this.view.cameraTrack?.getSettings() ?? {};
    const index = cameras.findIndex((camera) => camera.deviceId === current.deviceId);
    const next = cameras[(index + 1) % Math.max(1, cameras.length)];
    if (current.facingMode === "user" || current.facingMode === "environment") {
      this.facing = current.facingMode === "user" ? "environment" : "user";
      this.remember({ camera: undefined });
    } else if (next !== undefined) {
      this.remember({ camera: next.deviceId });
    }
    // Phones open one camera at a time: the old one has to be closed first.
    this.closeCamera();
    await this.openCamera();
  }

  async chooseCamera(deviceId: string): Promise<void> {
    this.remember({ camera: deviceId, cameraOff: false });
    this.closeCamera();
    await this.openCamera();
  }

  async chooseMicrophone(deviceId: string): Promise<void> {
    this.remember({ microphone: deviceId });
    this.closeMicrophone();
    await this.openMicrophone();
  }

  chooseSpeaker(deviceId: string): void {
    this.remember({ speaker: deviceId });
    this.change({});
  }

  /** Joins with sound only, or only listening. */
  without(what: "camera" | "both"): void {
    this.remember({ cameraOff: true, listenOnly: what === "both" });
    // Also withdraws a question that the browser is still asking.
    this.generation += 1;
    this.closeCamera();
    if (what === "both") this.closeMicrophone();
    else if (this.view.microphone.kind === "starting") void this.openMicrophone();
  }

  async shareScreen(): Promise<boolean> {
    const generation = this.generation;
    const outcome = await openScreen();
    if (outcome.kind === "problem") return false;
    if (generation !== this.generation) {
      outcome.track.stop();
      return false;
    }
    outcome.track.onended = () => this.stopScreen();
    this.change({ screen: true, screenTrack: outcome.track });
    return true;
  }

  stopScreen(): void {
    stop(this.view.screenTrack);
    this.change({ screen: false, screenTrack: null });
  }

  stopAll(): void {
    this.generation += 1;
    stop(this.view.microphoneTrack);
    stop(this.view.cameraTrack);
    stop(this.view.screenTrack);
    this.change({
      microphone: { kind: "off" },
      camera: { kind: "off" },
      screen: false,
      microphoneTrack: null,
      cameraTrack: null,
      screenTrack: null,
    });
  }

  private takeMicrophone(outcome: TrackOutcome, generation: number): void {
    if (outcome.kind === "problem") {
      if (generation === this.generation) this.change({ microphone: outcome, microphoneTrack: null });
      return;
    }
    if (generation !== this.generation || this.view.microphoneTrack !== null) {
      outcome.track.stop();
      return;
    }
    const muted = this.choices.microphoneMuted === true;
    outcome.track.enabled = !muted;
    outcome.track.onended = () => void this.microphoneLost(generation);
    this.change({ microphone: { kind: muted ? "muted" : "on" }, microphoneTrack: outcome.track });
  }

  private takeCamera(outcome: TrackOutcome, generation: number): void {
    if (outcome.kind === "problem") {
      if (generation === this.generation) this.change({ camera: outcome, cameraTrack: null });
      return;
    }
    if (generation !== this.generation || this.view.cameraTrack !== null) {
      outcome.track.stop();
      return;
    }
    outcome.track.onended = () => void this.cameraLost(generation);
    const mirrored = outcome.track.getSettings().facingMode !== "environment";
    this.change({ camera: { kind: "on" }, cameraTrack: outcome.track, mirrored });
  }

  /** Unplugged, taken by the system, or a phone call on iOS: try once more, with whatever is there now. */
  private async microphoneLost(generation: number): Promise<void> {
    if (generation !== this.generation) return;
    this.change({ microphoneTrack: null });
    await this.openMicrophone();
  }

  private async cameraLost(generation: number): Promise<void> {
    if (generation !== this.generation) return;
    this.change({ cameraTrack: null });
    await this.openCamera();
  }

  private closeCamera(): void {
    stop(this.view.cameraTrack);
    this.change({ camera: { kind: "off" }, cameraTrack: null });
  }

  private closeMicrophone(): void {
    stop(this.view.microphoneTrack);
    this.change({ microphone: { kind: "off" }, microphoneTrack: null });
  }

  private cameraWish(): CameraWish {
    return { deviceId: this.choices.camera, facingMode: this.facing };
  }

  private remember(change: Choices): void {
    this.choices = { ...this.choices, ...change };
    saveChoices(this.choices);
  }

  private change(change: Partial<LocalView>): void {
    this.view = { ...this.view, ...change };
    for (const listener of this.listeners) listener();
  }
}

function stop(track: MediaStreamTrack | null): void {
  if (track === null) return;
  // A stop of our own is no loss: nobody may try to get the device back.
  track.onended = null;
  track.stop();
}
