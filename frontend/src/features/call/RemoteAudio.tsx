// The sound of the others, apart from their pictures: so it plays whatever is drawn, and through the chosen speaker.
// A browser that refuses to play without a touch is reported, and asked again from a touch.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useSpeaker } from "../../call/devices";

export interface RemoteAudioProps {
  participant: string;
  stream: MediaStream;
  speaker: string;
  /** Changes when the person has tapped: play again. */
  attempt: number;
  onRefused: () => void;
}

export function RemoteAudio({ participant, stream, speaker, attempt, onRefused }: RemoteAudioProps): JSX.Element {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (audio === null) return;
    audio.srcObject = stream;
    return () => {
      audio.srcObject = null;
    };
  }, [stream]);
  useEffect(() => {
    element.current?.play().catch((error: unknown) => {
      // An AbortError only means that a newer stream took the place of this one.
      if (error instanceof DOMException && error.name === "NotAllowedError") onRefused();
    });
  }, [stream, attempt]);
  useEffect(() => {
    if (element.current !== null) void useSpeaker(element.current, speaker);
  }, [stream, speaker]);
  return <audio ref={element} data-testid="remote-audio" data-participant={participant} autoPlay />;
}
