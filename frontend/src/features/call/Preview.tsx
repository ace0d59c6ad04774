// The own picture before the call, with the switches for camera and microphone on it.
import type { JSX } from "preact";
import type { LocalMedia, LocalView } from "../../call/local-media";
import { t } from "../../messages";
import { Icon } from "../../ui";
import { useTrack } from "./hooks";

export function Preview({ media, view }: { media: LocalMedia; view: LocalView }): JSX.Element {
  const video = useTrack(view.cameraTrack);
  const cameraOn = view.camera.kind === "on";
  const microphoneOn = view.microphone.kind === "on";
  const starting = view.camera.kind === "starting" || view.microphone.kind === "starting";
  return (
    <div class="preview" data-testid="preview" data-camera={view.camera.kind} data-microphone={view.microphone.kind}>
      <video
        ref={video}
        class={view.mirrored ? "preview__video preview__video--mirrored" : "preview__video"}
        hidden={!cameraOn}
        aria-label={t("call.device.preview")}
        data-testid="self-video"
        muted
        playsInline
        autoPlay
      />
      {!cameraOn && (
        <div class="preview__empty">
          {starting ? <span class="spinner spinner--large" aria-hidden="true" /> : <Icon name="camera-off" size={36} />}
          <p>{starting ? t("call.device.preview.asking") : t("call.device.preview.off")}</p>
        </div>
      )}
      <div class="preview__switches">
        <button
          type="button"
          class={microphoneOn ? "control" : "control control--off"}
          data-testid="microphone-toggle"
          aria-pressed={microphoneOn}
          aria-label={t("call.device.microphone")}
          title={microphoneOn ? t("call.control.mute") : t("call.control.unmute")}
          disabled={view.microphone.kind === "starting"}
          onClick={() => void media.setMicrophone(!microphoneOn)}
        >
          <Icon name={microphoneOn ? "microphone" : "microphone-off"} size={22} />
        </button>
        <button
          type="button"
          class={cameraOn ? "control" : "control control--off"}
          data-testid="camera-toggle"
          aria-pressed={cameraOn}
          aria-label={t("call.device.camera")}
          title={cameraOn ? t("call.control.camera_off") : t("call.control.camera_on")}
          disabled={view.camera.kind === "starting"}
          onClick={() => void media.setCamera(!cameraOn)}
        >
          <Icon name={cameraOn ? "camera" : "camera-off"} size={22} />
        </button>
      </div>
    </div>
  );
}
