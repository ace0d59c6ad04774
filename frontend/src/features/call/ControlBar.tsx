// The row of switches at the bottom of a call. Each says by words, icon and state what it does when it is pressed.
import type { ComponentChildren, JSX } from "preact";
import type { Capability } from "../../api/types";
import { screenShareSupported } from "../../call/devices";
import type { LocalMedia, LocalView } from "../../call/local-media";
import type { NoRecording } from "../../call/view";
import { t } from "../../messages";
import { Icon, toast, type IconName } from "../../ui";
import { useDevices } from "./hooks";

export type Panel = "chat" | "people" | "consents" | "settings";

interface ControlProps {
  id: string;
  icon: IconName;
  label: string;
  kind?: "off" | "open" | "leave" | "active";
  pressed?: boolean;
  expanded?: boolean;
  shortcut?: string;
  disabled?: boolean;
  /** Why a press does nothing now; said when it is pressed, and by its name. */
  unavailable?: string;
  class?: string;
  onClick: () => void;
  children?: ComponentChildren;
}

export function Control(props: ControlProps): JSX.Element {
  const classes = ["control"];
  if (props.kind) classes.push(`control--${props.kind}`);
  if (props.class) classes.push(props.class);
  const { unavailable } = props;
  if (unavailable !== undefined) classes.push("control--unavailable");
  return (
    <button
      type="button"
      class={classes.join(" ")}
      data-testid={props.id}
      title={unavailable ?? (props.shortcut ? `${props.label} (Alt+${props.shortcut})` : props.label)}
      aria-disabled={unavailable === undefined ? undefined : true}
      aria-label={unavailable === undefined ? undefined : `${props.label}: ${unavailable}`}
      aria-keyshortcuts={props.shortcut ? `Alt+${props.shortcut}` : undefined}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      disabled={props.disabled ?? false}
      onClick={unavailable === undefined ? props.onClick : () => toast(unavailable)}
    >
      <span class="control__icon">
        <Icon name={props.icon} size={22} />
      </span>
      <span class="control__label">{props.label}</span>
      {props.children}
    </button>
  );
}

export interface ControlBarProps {
  media: LocalMedia;
  view: LocalView;
  /** What one may send: what one may not is not offered. */
  may: (capability: Capability) => boolean;
  panel: Panel | null;
  unread: number;
  people: number;
  onPanel: (panel: Panel) => void;
  onLeave: () => void;
  /** Given to those who may record: why it cannot be asked for now, and the way to ask. */
  record?: { unavailable: NoRecording | null; onAsk: () => void } | undefined;
  /** Given to those who may: end for all. */
  onEnd?: (() => void) | undefined;
}

export function ControlBar(props: ControlBarProps): JSX.Element {
  const { media, view, may, panel, unread } = props;
  const devices = useDevices(view);
  const microphoneOn = view.microphone.kind === "on";
  const cameraOn = view.camera.kind === "on";
  const share = async (): Promise<void> => {
    if (view.screen) media.stopScreen();
    else if (!(await media.shareScreen())) toast(t("call.screen_refused"));
  };
  return (
    <div class="controls" role="group" aria-label={t("call.controls")}>
      {may("publish_audio") && <Control
        id="control-microphone"
        icon={microphoneOn ? "microphone" : "microphone-off"}
        label={microphoneOn ? t("call.control.mute") : t("call.control.unmute")}
        {...(microphoneOn ? {} : { kind: "off" as const })}
        shortcut="M"
        disabled={view.microphone.kind === "starting"}
        onClick={() => void media.setMicrophone(!microphoneOn)}
      />}
      {may("publish_video") && <Control
        id="control-camera"
        icon={cameraOn ? "camera" : "camera-off"}
        label={cameraOn ? t("call.control.camera_off") : t("call.control.camera_on")}
        {...(cameraOn ? {} : { kind: "off" as const })}
        shortcut="V"
        disabled={view.camera.kind === "starting"}
        onClick={() => void media.setCamera(!cameraOn)}
      />}
      {cameraOn && devices.cameras.length > 1 && (
        <Control
          id="control-switch-camera"
          icon="camera-switch"
          label={t("call.control.switch")}
          class="control--second"
          onClick={() => void media.switchCamera(devices.cameras)}
        />
      )}
      {may("share_screen") && screenShareSupported() && (
        <Control
          id="control-screen"
          icon={view.screen ? "screen-off" : "screen"}
          label={view.screen ? t("call.control.unshare") : t("call.control.share")}
          {...(view.screen ? { kind: "active" as const } : {})}
          class="control--second"
          onClick={() => void share()}
        />
      )}
      {props.record && (
        <Control
          id="control-record"
          icon="record"
          label={t("call.control.record")}
          class="control--second"
          {...(props.record.unavailable === null ? {} : { unavailable: t(`call.record.${props.record.unavailable}`) })}
          onClick={props.record.onAsk}
        />
      )}
      <Control
        id="control-chat"
        icon="chat"
        label={t("call.control.chat")}
        {...(panel === "chat" ? { kind: "open" as const } : {})}
        expanded={panel === "chat"}
        shortcut="C"
        onClick={() => props.onPanel("chat")}
      >
        {unread > 0 && (
          <span class="control__badge" data-testid="chat-unread">
            {unread > 9 ? "9+" : unread}
            <span class="quietly"> {t("call.control.unread", { count: unread })}</span>
          </span>
        )}
      </Control>
      <Control
        id="control-people"
        icon="people"
        label={t("call.control.people")}
        {...(panel === "people" ? { kind: "open" as const } : {})}
        expanded={panel === "people"}
        shortcut="P"
        onClick={() => props.onPanel("people")}
      >
        <span class="control__count">{props.people}</span>
      </Control>
      <Control
        id="control-consents"
        icon="shield"
        label={t("call.control.consents")}
        {...(panel === "consents" ? { kind: "open" as const } : {})}
        expanded={panel === "consents"}
        onClick={() => props.onPanel("consents")}
      />
      <Control
        id="control-settings"
        icon="settings"
        label={t("call.control.settings")}
        {...(panel === "settings" ? { kind: "open" as const } : {})}
        expanded={panel === "settings"}
        onClick={() => props.onPanel("settings")}
      />
      <Control id="control-leave" icon="hang-up" label={t("call.control.leave")} kind="leave" onClick={props.onLeave} />
      {props.onEnd && (
        <Control id="control-end" icon="close" label={t("call.control.end")} kind="leave" onClick={props.onEnd} />
      )}
    </div>
  );
}
