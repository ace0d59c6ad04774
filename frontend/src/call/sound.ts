/**
 * Everything that is heard or measured through WebAudio: the level of the own microphone, the test tone, the chimes,
 * and the watcher that notices a microphone that is on but delivers silence.
 *
 * Invariant: nothing here needs a sound file; tones are generated, so they work under the strictest content policy.
 * Every source is stopped by the function or object that started it.
 */

import { useSpeaker } from "./devices";

/** How often a level is measured, in milliseconds. Timers and not frames: a hidden tab must go on measuring. */
export const LEVEL_INTERVAL_MS = 100;
/** A level below this is silence: the noise floor of a working microphone is above it. */
export const SILENCE_LEVEL = 0.02;
/** A person who checks a microphone speaks within this time; in a call they may listen for much longer. */
export const SILENCE_AFTER_MS = 8000;

let shared: AudioContext | null = null;

/** One AudioContext a page: browsers allow only a few. Null where there is none. */
function context(): AudioContext | null {
  if (shared !== null && shared.state !== "closed") return shared;
  if (typeof AudioContext === "undefined") return null;
  shared = new AudioContext();
  return shared;
}

/** Browsers start audio only after a gesture: call this from any click. */
export function wakeAudio(): void {
  const audio = context();
  if (audio !== null && audio.state === "suspended") void audio.resume().catch(() => undefined);
}

/** Root mean square of samples (-1 to 1) as a level from 0 to 1 that moves as loudness is heard: -60 dB is 0. */
export function levelOf(samples: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < samples.length; index += 1) {
    const sample = samples[index] ?? 0;
    sum += sample * sample;
  }
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  if (rms <= 0.001) return 0;
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 60));
}

/** Remembers for how long it has been silent. Pure but for its memory; time comes in as the number of samples. */
export class SilenceWatcher {
  private silentMs = 0;

  constructor(private readonly patienceMs: number = SILENCE_AFTER_MS) {}

  /** Adds one level and says whether the microphone counts as silent now. */
  add(level: number, elapsedMs: number): boolean {
    this.silentMs = level < SILENCE_LEVEL ? this.silentMs + elapsedMs : 0;
    return this.silentMs >= this.patienceMs;
  }

  reset(): void {
    this.silentMs = 0;
  }
}

/** Measures a microphone track until stopped. A muted track measures 0. Returns how to stop. */
export function watchLevel(track: MediaStreamTrack, onLevel: (level: number) => void): () => void {
  const audio = context();
  if (audio === null) return () => undefined;
  wakeAudio();
  const source = audio.createMediaStreamSource(new MediaStream([track]));
  const analyser = audio.createAnalyser();
  analyser.fftSize = 2048;
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    onLevel(levelOf(samples));
  }, LEVEL_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}

/** A note: frequency in hertz, start and length in seconds. */
interface Note {
  readonly hertz: number;
  readonly at: number;
  readonly length: number;
}

function schedule(audio: AudioContext, target: AudioNode, notes: readonly Note[], loudness: number): number {
  const start = audio.currentTime + 0.03;
  let end = 0;
  for (const note of notes) {
    const oscillator = audio.createOscillator();
    const gain = audio.createGain();
    oscillator.type = "sine";
    oscillator.frequency.value = note.hertz;
    const from = start + note.at;
    // Soft edges: a sine that is cut off clicks.
    gain.gain.setValueAtTime(0.0001, from);
    gain.gain.exponentialRampToValueAtTime(loudness, from + 0.03);
    gain.gain.exponentialRampToValueAtTime(0.0001, from + note.length);
    oscillator.connect(gain).connect(target);
    oscillator.start(from);
    oscillator.stop(from + note.length + 0.05);
    oscillator.onended = () => gain.disconnect();
    end = Math.max(end, note.at + note.length);
  }
  return end;
}

const ARRIVAL: readonly Note[] = [
  { hertz: 659.26, at: 0, length: 0.5 },
  { hertz: 880, at: 0.22, length: 0.7 },
  { hertz: 659.26, at: 1.1, length: 0.5 },
  { hertz: 880, at: 1.32, length: 0.9 },
];
const ADMITTED: readonly Note[] = [
  { hertz: 523.25, at: 0, length: 0.4 },
  { hertz: 783.99, at: 0.18, length: 0.6 },
];
const TEST: readonly Note[] = [
  { hertz: 523.25, at: 0, length: 0.45 },
  { hertz: 659.26, at: 0.35, length: 0.45 },
  { hertz: 783.99, at: 0.7, length: 0.45 },
  { hertz: 1046.5, at: 1.05, length: 0.9 },
];

/** Someone waits in the lobby. False when the browser would not make a sound. */
export function chimeArrival(): boolean {
  return chime(ARRIVAL, 0.25);
}

/** The person in the lobby has been admitted. */
export function chimeAdmitted(): boolean {
  return chime(ADMITTED, 0.18);
}

function chime(notes: readonly Note[], loudness: number): boolean {
  const audio = context();
  if (audio === null) return false;
  wakeAudio();
  schedule(audio, audio.destination, notes, loudness);
  return audio.state === "running";
}

/** Plays the test melody through one speaker; resolves to whether it was played when it is over. */
export async function testSpeaker(deviceId: string): Promise<boolean> {
  const audio = context();
  if (audio === null) return false;
  await audio.resume().catch(() => undefined);
  const destination = audio.createMediaStreamDestination();
  const element = new Audio();
  element.srcObject = destination.stream;
  try {
    if (deviceId !== "") await useSpeaker(element, deviceId);
    await element.play();
    const seconds = schedule(audio, destination, TEST, 0.3);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000 + 200));
    return true;
  } catch {
    return false;
  } finally {
    element.srcObject = null;
    for (const track of destination.stream.getTracks()) track.stop();
  }
}
