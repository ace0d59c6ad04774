// Drives several media elements from one clock. Invariants: nobody but this hook plays, pauses or seeks them; while one of them
// lacks data all of them stand; one that strayed from the clock is brought back (timeline.ts says how).
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Presentation } from "../../api/types";
import * as timeline from "./timeline";

const TICK_MS = 100; // often enough for a steady time display and for drift to stay inaudible
const END_SLACK_S = 0.25; // a track may end a frame or two before the recording does

export interface PlayerState {
  positionMs: number;
  playing: boolean;
  waiting: boolean;
  speed: number;
  muted: boolean;
  failed: boolean;
}

export interface Player extends PlayerState {
  /** Give each presentation's element, by its address. */
  attach: (url: string, element: HTMLMediaElement | null) => void;
  toggle: () => void;
  seek: (ms: number) => void;
  skip: (ms: number) => void;
  setSpeed: (speed: number) => void;
  toggleMuted: () => void;
}

function isOver(media: HTMLMediaElement, mediaMs: number): boolean {
  return media.ended || (Number.isFinite(media.duration) && mediaMs / 1000 >= media.duration - END_SLACK_S);
}

export function useSyncedPlayback(presentations: readonly Presentation[], durationMs: number): Player {
  const line = useRef(timeline.newTimeline(durationMs));
  const elements = useRef(new Map<string, HTMLMediaElement>());
  const [state, setState] = useState<PlayerState>({
    positionMs: 0,
    playing: false,
    waiting: false,
    speed: 1,
    muted: false,
    failed: false,
  });

  const publish = useCallback((extra: Partial<PlayerState> = {}): void => {
    const now = performance.now();
    const { playing, waiting, speed } = line.current;
    const positionMs = timeline.positionAt(line.current, now);
    setState((old) => ({ ...old, positionMs, playing, waiting, speed, ...extra }));
  }, []);

  const each = useCallback(
    (act: (media: HTMLMediaElement, presentation: Presentation) => void): void => {
      for (const presentation of presentations) {
        const media = elements.current.get(presentation.url);
        if (media) act(media, presentation);
      }
    },
    [presentations],
  );

  /** One step: stop at the end, wait for data, else keep everybody at the clock. */
  const tick = useCallback((): void => {
    const now = performance.now();
    const current = line.current;
    if (!current.playing) return;
    if (timeline.reachedEnd(current, now)) {
      line.current = timeline.pause(current, now);
      each((media) => media.pause());
      publish();
      return;
    }
    const position = timeline.positionAt(current, now);
    let lacking = false;
    each((media, { starts_at_ms }) => {
      const wanted = position - starts_at_ms;
      if (wanted < 0 || isOver(media, wanted)) return;
      if (media.seeking || media.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) lacking = true;
    });
    line.current = timeline.setWaiting(current, now, lacking);
    each((media, { starts_at_ms }) => {
      const wanted = position - starts_at_ms;
      if (wanted < 0 || isOver(media, wanted) || lacking) {
        if (!media.paused) media.pause();
        return;
      }
      const mediaMs = media.currentTime * 1000;
      const correction = timeline.correct(position, mediaMs, starts_at_ms, current.speed);
      if (correction.kind === "jump") media.currentTime = correction.toMs / 1000;
      const rate = correction.kind === "rate" ? correction.rate : current.speed;
      if (media.playbackRate !== rate) media.playbackRate = rate;
      if (media.paused) {
        media.play().catch((error: unknown) => {
          // Refused by the browser: stand still, the person presses play again. An interruption is our own pause.
          if (error instanceof DOMException && error.name === "NotAllowedError") {
            line.current = timeline.pause(line.current, performance.now());
            publish();
          }
        });
      }
    });
    publish();
  }, [each, publish]);

  useEffect(() => {
    const timer = window.setInterval(tick, TICK_MS);
    return () => window.clearInterval(timer);
  }, [tick]);

  const place = useCallback((): void => {
    const position = timeline.positionAt(line.current, performance.now());
    each((media, { starts_at_ms }) => {
      media.currentTime = Math.max(0, position - starts_at_ms) / 1000;
    });
  }, [each]);

  const seek = useCallback(
    (ms: number): void => {
      line.current = timeline.seek(line.current, performance.now(), ms);
      place();
      publish();
    },
    [place, publish],
  );

  const toggle = useCallback((): void => {
    const now = performance.now();
    if (line.current.playing) {
      line.current = timeline.pause(line.current, now);
      each((media) => media.pause());
    } else {
      line.current = timeline.play(line.current, now);
      place();
      tick();
    }
    publish();
  }, [each, place, publish, tick]);

  const attach = useCallback(
    (url: string, element: HTMLMediaElement | null): void => {
      if (element === null) {
        elements.current.delete(url);
        return;
      }
      elements.current.set(url, element);
      element.preservesPitch = true;
      element.onerror = () => {
        line.current = timeline.pause(line.current, performance.now());
        for (const media of elements.current.values()) media.pause();
        publish({ failed: true });
      };
    },
    [publish],
  );

  return {
    ...state,
    attach,
    toggle,
    seek,
    skip: useCallback((ms) => seek(timeline.positionAt(line.current, performance.now()) + ms), [seek]),
    setSpeed: useCallback(
      (speed) => {
        line.current = timeline.setSpeed(line.current, performance.now(), speed);
        publish();
      },
      [publish],
    ),
    toggleMuted: useCallback(() => setState((old) => ({ ...old, muted: !old.muted })), []),
  };
}
