// Choosing camera, microphone and speaker, with a level meter and a test sound: in the device check and during the call.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { speakerChoiceSupported, type DeviceList } from "../../call/devices";
import type { LocalMedia, LocalView } from "../../call/local-media";
import { SILENCE_AFTER_MS, testSpeaker } from "../../call/sound";
import { t } from "../../messages";
import { Button, Icon, Select } from "../../ui";
import { LevelMeter } from "./LevelMeter";
import { useDevices, useHearing } from "./hooks";
import { testId } from "./testId";

function options(devices: readonly MediaDeviceInfo[]): { value: string; label: string }[] {
  return devices.map((device, index) => ({
    value: device.deviceId,
    label: device.label || t("call.device.unnamed", { number: index + 1 }),
  }));
}

function currentId(track: MediaStreamTrack | null, devices: readonly MediaDeviceInfo[]): string {
  return track?.getSettings().deviceId ?? devices[0]?.deviceId ?? "";
}

function MicrophoneMeter({ view }: { view: LocalView }): JSX.Element | null {
  const hearing = useHearing(view.microphoneTrack, SILENCE_AFTER_MS);
  if (view.microphoneTrack === null) return null;
  const muted = view.microphone.kind === "muted";
  return (
    <div class="stack stack--tight">
      <LevelMeter level={hearing.level} muted={muted} />
      <p class={hearing.silent && !muted ? "device__word device__word--warning" : "device__word"} role="status">
        {muted ? (
          t("call.people.microphone_off")
        ) : hearing.silent ? (
          <>
            <Icon name="alert" size={16} /> {t("call.device.level.silent")}
          </>
        ) : hearing.heard ? (
          <>
            <Icon name="check" size={16} /> {t("call.device.level.heard")}
          </>
        ) : (
          t("call.device.level.hint")
        )}
      </p>
    </div>
  );
}

type Test = "idle" | "playing" | "played" | "blocked";

function SpeakerTest({ speaker }: { speaker: string }): JSX.Element {
  const [test, setTest] = useState<Test>("idle");
  const play = async (): Promise<void> => {
    if (test === "playing") return;
    setTest("playing");
    setTest((await testSpeaker(speaker)) ? "played" : "blocked");
  };
  return (
    <div class="stack stack--tight">
      <div class="row">
        <Button icon="speaker" busy={test === "playing"} buttonRef={testId("speaker-test")} onClick={() => void play()}>
          {test === "playing" ? t("call.device.speaker.playing") : t("call.device.speaker.test")}
        </Button>
      </div>
      <p class="device__word" role="status">
        {test === "played" && t("call.device.speaker.hint")}
        {test === "blocked" && t("call.device.speaker.blocked")}
      </p>
    </div>
  );
}

export interface DevicePickersProps {
  media: LocalMedia;
  view: LocalView;
  /** Leaves the test sound away. */
  compact?: boolean;
}

export function DevicePickers({ media, view, compact = false }: DevicePickersProps): JSX.Element {
  const devices: DeviceList = useDevices(view);
  const speaker = devices.speakers.some((device) => device.deviceId === media.chosen.speaker)
    ? (media.chosen.speaker ?? "")
    : "";
  return (
    <div class="device" data-testid="device-pickers">
      {devices.cameras.length > 0 && view.cameraTrack !== null && (
        <Select
          label={t("call.device.camera")}
          value={currentId(view.cameraTrack, devices.cameras)}
          onChange={(id) => void media.chooseCamera(id)}
          options={options(devices.cameras)}
        />
      )}
      {devices.microphones.length > 0 && view.microphoneTrack !== null && (
        <div class="stack stack--tight">
          <Select
            label={t("call.device.microphone")}
            value={currentId(view.microphoneTrack, devices.microphones)}
            onChange={(id) => void media.chooseMicrophone(id)}
            options={options(devices.microphones)}
          />
          <MicrophoneMeter view={view} />
        </div>
      )}
      <div class="stack stack--tight">
        {speakerChoiceSupported() && devices.speakers.length > 0 && (
          <Select
            label={t("call.device.speaker")}
            value={speaker}
            onChange={(id) => media.chooseSpeaker(id)}
            options={[
              { value: "", label: t("call.device.speaker.system") },
              ...options(devices.speakers.filter((device) => device.deviceId !== "default")),
            ]}
          />
        )}
        {!compact && <SpeakerTest speaker={speaker} />}
      </div>
    </div>
  );
}
