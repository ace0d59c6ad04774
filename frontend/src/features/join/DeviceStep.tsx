// The device check. Whatever is missing or refused, there is a way on: with both, with sound only, or listening.
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { LocalMedia } from "../../call/local-media";
import { wakeAudio } from "../../call/sound";
import { t } from "../../messages";
import { Button, Page } from "../../ui";
import { DevicePickers } from "../call/DevicePickers";
import { DeviceTrouble, troubleOf } from "../call/DeviceTrouble";
import { Preview } from "../call/Preview";
import { useLocalView } from "../call/hooks";
import { testId } from "../call/testId";
import { Steps } from "./Steps";

export function DeviceStep({ media, onReady }: { media: LocalMedia; onReady: () => void }): JSX.Element {
  const view = useLocalView(media);
  useEffect(() => {
    void media.openAll();
  }, [media]);
  const trouble = troubleOf(view);
  const hasMicrophone = view.microphoneTrack !== null;
  const hasCamera = view.cameraTrack !== null;
  const starting = view.microphone.kind === "starting" || view.camera.kind === "starting";
  const without = !hasMicrophone && !hasCamera && !starting;
  const go = (): void => {
    // Said on the button: from here on a missing microphone is a choice and no trouble to be reminded of.
    if (without) media.without("both");
    wakeAudio();
    onReady();
  };
  const label = hasMicrophone
    ? hasCamera
      ? t("join.devices.continue")
      : t("join.devices.continue_sound")
    : t("join.devices.continue_listen");
  return (
    <Page title={t("join.devices.title")} intro={t("join.devices.text")} width="narrow">
      <div class="stack" data-testid="device-check">
        <Steps step={2} />
        {trouble && <DeviceTrouble trouble={trouble} onRetry={() => void media.retry()} />}
        <div class="check-grid">
          <Preview media={media} view={view} />
          <DevicePickers media={media} view={view} />
        </div>
        <div class="stack stack--tight">
          <Button
            variant="primary"
            size="large"
            wide
            busy={starting && !hasMicrophone && !hasCamera}
            buttonRef={testId(without ? "device-listen-only" : "device-continue")}
            onClick={go}
          >
            {label}
          </Button>
          {!hasMicrophone && !starting && <p class="small soft">{t("call.device.listen_only.hint")}</p>}
        </div>
        {hasMicrophone && (
          <div class="row join__ways">
            {hasCamera && (
              <Button
                variant="quiet"
                icon="microphone"
                buttonRef={testId("device-sound-only")}
                onClick={() => {
                  media.without("camera");
                  go();
                }}
              >
                {t("call.device.sound_only")}
              </Button>
            )}
            <Button
              variant="quiet"
              icon="headphones"
              buttonRef={testId("device-listen-only")}
              onClick={() => {
                media.without("both");
                go();
              }}
            >
              {t("call.device.listen_only")}
            </Button>
          </div>
        )}
        {starting && !hasMicrophone && (
          <div class="row join__ways">
            <Button
              variant="quiet"
              icon="headphones"
              buttonRef={testId("device-listen-only")}
              onClick={() => {
                media.without("both");
                go();
              }}
            >
              {t("call.device.listen_only")}
            </Button>
          </div>
        )}
      </div>
    </Page>
  );
}
