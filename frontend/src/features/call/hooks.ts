// The bridge from the call model (src/call, which knows no components) to hooks.
import { useEffect, useRef, useState } from "preact/hooks";
import { listDevices, watchDevices, type DeviceList } from "../../call/devices";
import type { LocalMedia, LocalView } from "../../call/local-media";
import type { CallState, Effect } from "../../call/model";
import type { CallSession } from "../../call/session";
import { SilenceWatcher, LEVEL_INTERVAL_MS, SILENCE_LEVEL, wakeAudio, watchLevel } from "../../call/sound";

function useRedraw(subscribe: (listener: () => void) => () => void, owner: unknown): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    // What changed between the first drawing and this subscription must not be missed.
    redraw((n) => n + 1);
    return subscribe(() => redraw((n) => n + 1));
  }, [owner]);
}

export function useCallState(session: CallSession): CallState {
  useRedraw((listener) => session.subscribe(listener), session);
  return session.state;
}

export function useLocalView(media: LocalMedia): LocalView {
  useRedraw((listener) => media.subscribe(listener), media);
  return media.current;
}

/** Calls back for every effect of the call, always the newest callback. */
export function useEffects(session: CallSession, handle: (effect: Effect) => void): void {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => session.onEffect((effect) => latest.current(effect)), [session]);
}

/** Tells the session when the device goes offline and comes back. */
export function useOnline(session: CallSession): void {
  useEffect(() => {
    const tell = (): void => session.setOnline(navigator.onLine);
    tell();
    window.addEventListener("online", tell);
    window.addEventListener("offline", tell);
    return () => {
      window.removeEventListener("online", tell);
      window.removeEventListener("offline", tell);
    };
  }, [session]);
}

const NO_DEVICES: DeviceList = { microphones: [], cameras: [], speakers: [] };

/** What is plugged in. Names and ids appear once a permission was given, so it is asked again when a track opens. */
export function useDevices(view: LocalView): DeviceList {
  const [devices, setDevices] = useState(NO_DEVICES);
  useEffect(() => {
    let current = true;
    const refresh = (): void => {
      void listDevices().then((list) => {
        if (current) setDevices(list);
      });
    };
    refresh();
    const stop = watchDevices(refresh);
    return () => {
      current = false;
      stop();
    };
  }, [view.microphoneTrack, view.cameraTrack]);
  return devices;
}

export interface Hearing {
  /** 0 to 1. */
  level: number;
  /** The microphone has delivered something since it was opened. */
  heard: boolean;
  silent: boolean;
}

const NOTHING_HEARD: Hearing = { level: 0, heard: false, silent: false };

/** Listens to the own microphone. `patienceMs`: how long it may be silent before that is worth a word. */
export function useHearing(track: MediaStreamTrack | null, patienceMs: number): Hearing {
  const [hearing, setHearing] = useState(NOTHING_HEARD);
  useEffect(() => {
    setHearing(NOTHING_HEARD);
    if (track === null) return;
    const watcher = new SilenceWatcher(patienceMs);
    return watchLevel(track, (level) => {
      const silent = watcher.add(level, LEVEL_INTERVAL_MS);
      setHearing((old) => ({ level, heard: old.heard || level > SILENCE_LEVEL * 5, silent }));
    });
  }, [track, patienceMs]);
  return hearing;
}

/** Whether the microphone never delivered anything for so long; redraws only when that changes. */
export function useSilentMicrophone(track: MediaStreamTrack | null, patienceMs: number): boolean {
  const [silent, setSilent] = useState(false);
  useEffect(() => {
    setSilent(false);
    if (track === null) return;
    const watcher = new SilenceWatcher(patienceMs);
    let heard = false;
    return watchLevel(track, (level) => {
      // Later silence is listening, not a fault.
      heard ||= level > SILENCE_LEVEL;
      const isSilent = watcher.add(level, LEVEL_INTERVAL_MS) && !heard;
      setSilent(isSilent);
    });
  }, [track, patienceMs]);
  return silent;
}

/** Shows a track in a video element. */
export function useTrack(track: MediaStreamTrack | null): { current: HTMLVideoElement | null } {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (video === null) return;
    video.srcObject = track === null ? null : new MediaStream([track]);
    if (track !== null) void video.play().catch(() => undefined);
    return () => {
      video.srcObject = null;
    };
  }, [track]);
  return element;
}

/** The time of day, once a second, while `running`. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [running]);
  return now;
}

/** Keeps a phone's screen on: a screen that goes dark suspends the page and with it the call. */
export function useScreenAwake(): void {
  useEffect(() => {
    let lock: WakeLockSentinel | null = null;
    let current = true;
    const take = (): void => {
      if (!("wakeLock" in navigator) || document.visibilityState !== "visible") return;
      navigator.wakeLock.request("screen").then(
        (taken) => {
          if (current) lock = taken;
          else void taken.release();
        },
        () => undefined, // low battery: then the screen goes dark as it always does
      );
    };
    take();
    document.addEventListener("visibilitychange", take);
    return () => {
      current = false;
      document.removeEventListener("visibilitychange", take);
      void lock?.release();
    };
  }, []);
}

/** Browsers let a page make sounds after the first touch: this uses whichever comes. */
export function useAudioOnGesture(): void {
  useEffect(() => {
    const wake = (): void => wakeAudio();
    document.addEventListener("pointerdown", wake);
    document.addEventListener("keydown", wake);
    return () => {
      document.removeEventListener("pointerdown", wake);
      document.removeEventListener("keydown", wake);
    };
  }, []);
}
