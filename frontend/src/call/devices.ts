/**
 * Asks the browser for cameras, microphones and speakers, and says in a typed way what came of it.
 *
 * Invariant: nothing here throws. Every refusal of the browser is one of {@link DeviceProblem}, because each of them
 * needs its own words and its own way on for the person in front of it.
 */

export type DeviceProblem =
  /** The person or the browser said no. */
  | "denied"
  | "none_found"
  /** Another program holds the device, or the system would not start it. */
  | "busy"
  /** Pages without https get no devices. */
  | "insecure"
  | "overconstrained"
  /** The browser has no such function at all. */
  | "unsupported";

export type TrackOutcome =
  | { readonly kind: "granted"; readonly track: MediaStreamTrack }
  | { readonly kind: "problem"; readonly problem: DeviceProblem };

export interface DeviceList {
  readonly microphones: readonly MediaDeviceInfo[];
  readonly cameras: readonly MediaDeviceInfo[];
  readonly speakers: readonly MediaDeviceInfo[];
}

export type FacingMode = "user" | "environment";

export interface CameraWish {
  readonly deviceId?: string | undefined;
  readonly facingMode?: FacingMode | undefined;
}

export function audioConstraints(deviceId?: string): MediaTrackConstraints {
  return {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    ...(deviceId === undefined ? {} : { deviceId: { exact: deviceId } }),
  };
}

export function videoConstraints(wish: CameraWish): MediaTrackConstraints {
  return {
    width: { min: 640, ideal: 1280, max: 1280 },
    height: { min: 360, ideal: 720, max: 720 },
    frameRate: { ideal: 30, max: 30 },
    ...(wish.deviceId === undefined ? {} : { deviceId: { exact: wish.deviceId } }),
    ...(wish.deviceId === undefined && wish.facingMode !== undefined
      ? { facingMode: { ideal: wish.facingMode } }
      : {}),
  };
}

/** Names of DOMException that browsers use for getUserMedia, mapped to what they mean to a person. */
export function problemOf(error: unknown): DeviceProblem {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
      return "denied";
    case "SecurityError":
      return "insecure";
    case "NotFoundError":
    case "DevicesNotFoundError":
      return "none_found";
    case "OverconstrainedError":
    case "ConstraintNotSatisfiedError":
      return "overconstrained";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "busy";
    default:
      return "unsupported";
  }
}

function mediaDevices(): MediaDevices | null {
  const devices: MediaDevices | undefined = globalThis.navigator?.mediaDevices;
  return devices !== undefined && typeof devices.getUserMedia === "function" ? devices : null;
}

function missing(): DeviceProblem {
  return globalThis.isSecureContext === false ? "insecure" : "unsupported";
}

async function ask(constraints: MediaStreamConstraints): Promise<MediaStream | DeviceProblem> {
  const devices = mediaDevices();
  if (devices === null) return missing();
  try {
    return await devices.getUserMedia(constraints);
  } catch (error) {
    return problemOf(error);
  }
}

export async function openMicrophone(deviceId?: string): Promise<TrackOutcome> {
  const first = await ask({ audio: audioConstraints(deviceId) });
  // A remembered microphone may be unplugged: any other is better than none.
  const outcome =
    deviceId !== undefined && (first === "overconstrained" || first === "none_found")
      ? await ask({ audio: audioConstraints() })
      : first;
  return trackOf(outcome, "audio");
}

export async function openCamera(wish: CameraWish): Promise<TrackOutcome> {
  const first = await ask({ video: videoConstraints(wish) });
  // Remembered camera gone, or one that cannot do 640x360: take whatever there is.
  const outcome =
    first === "overconstrained" || (wish.deviceId !== undefined && first === "none_found")
      ? await ask({ video: { width: { ideal: 1280 }, height: { ideal: 720 } } })
      : first;
  return trackOf(outcome, "video");
}

/** Asks for both with one question to the person; where that fails, for each by itself. */
export async function openBoth(
  microphone: string | undefined,
  camera: CameraWish,
): Promise<{ microphone: TrackOutcome; camera: TrackOutcome }> {
  const both = await ask({ audio: audioConstraints(microphone), video: videoConstraints(camera) });
  if (typeof both !== "string") {
    return { microphone: trackOf(both, "audio"), camera: trackOf(both, "video") };
  }
  return { microphone: await openMicrophone(microphone), camera: await openCamera(camera) };
}

function trackOf(outcome: MediaStream | DeviceProblem, kind: "audio" | "video"): TrackOutcome {
  if (typeof outcome === "string") return { kind: "problem", problem: outcome };
  const track = kind === "audio" ? outcome.getAudioTracks()[0] : outcome.getVideoTracks()[0];
  return track === undefined ? { kind: "problem", problem: "none_found" } : { kind: "granted", track };
}

export function screenShareSupported(): boolean {
  const devices = globalThis.navigator?.mediaDevices as Partial<MediaDevices> | undefined;
  return typeof devices?.getDisplayMedia === "function";
}

/** `denied` here is the person closing the picker: no problem that needs words. */
export async function openScreen(): Promise<TrackOutcome> {
  const devices = mediaDevices();
  if (devices === null || !screenShareSupported()) return { kind: "problem", problem: missing() };
  try {
    const stream = await devices.getDisplayMedia({
      video: { frameRate: { ideal: 15, max: 30 }, width: { max: 1920 }, height: { max: 1080 } },
      audio: false,
    });
    const outcome = trackOf(stream, "video");
    if (outcome.kind === "granted") outcome.track.contentHint = "detail";
    return outcome;
  } catch (error) {
    return { kind: "problem", problem: problemOf(error) };
  }
}

export async function listDevices(): Promise<DeviceList> {
  const devices = mediaDevices();
  const all = devices === null ? [] : await devices.enumerateDevices().catch(() => []);
  // Before permission browsers list nameless devices without ids: they cannot be chosen, so they are left out.
  const usable = all.filter((device) => device.deviceId !== "");
  return {
    microphones: usable.filter((device) => device.kind === "audioinput"),
    cameras: usable.filter((device) => device.kind === "videoinput"),
    speakers: usable.filter((device) => device.kind === "audiooutput"),
  };
}

/** Calls back when something is plugged in or out; returns how to stop that. */
export function watchDevices(changed: () => void): () => void {
  const devices = mediaDevices();
  devices?.addEventListener("devicechange", changed);
  return () => devices?.removeEventListener("devicechange", changed);
}

/** Whether the browser lets a page choose the loudspeaker. */
export function speakerChoiceSupported(): boolean {
  return typeof HTMLMediaElement !== "undefined" && "setSinkId" in HTMLMediaElement.prototype;
}

/** Plays `element` through that speaker; false where the browser will not. */
export async function useSpeaker(element: HTMLMediaElement, deviceId: string): Promise<boolean> {
  if (!speakerChoiceSupported()) return deviceId === "";
  try {
    if (element.sinkId !== deviceId) await element.setSinkId(deviceId);
    return true;
  } catch {
    return false;
  }
}

export type BrowserKind = "safari_ios" | "safari_mac" | "firefox" | "edge" | "samsung" | "chrome_android" | "chrome" | "other";

/** Which words explain how to give a permission. A guess from the user agent is enough for words. */
export function browserKind(userAgent: string, touchPoints: number): BrowserKind {
  const apple = /Mac OS X|iPhone|iPad|iPod/.test(userAgent);
  const handheld = /iPhone|iPad|iPod/.test(userAgent) || (apple && touchPoints > 1);
  // Every browser on iOS is WebKit and is granted devices in the same place.
  if (apple && handheld) return "safari_ios";
  if (/Firefox\//.test(userAgent)) return "firefox";
  if (/Edg(e|A|iOS)?\//.test(userAgent)) return "edge";
  if (/SamsungBrowser\//.test(userAgent)) return "samsung";
  if (/Chrom(e|ium)\//.test(userAgent)) return /Android/.test(userAgent) ? "chrome_android" : "chrome";
  if (apple && /Safari\//.test(userAgent)) return "safari_mac";
  return "other";
}
