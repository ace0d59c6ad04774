// The people on the stage: one tile each, shared screens large, the own picture in the corner.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { LocalView } from "../../call/local-media";
import type { CallState } from "../../call/model";
import type { RemoteStreams } from "../../call/peer";
import { tiles, type Tile } from "../../call/view";
import { t } from "../../messages";
import { Icon } from "../../ui";
import { useTrack } from "./hooks";

/** Up to two letters that stand for a person without a picture. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => /^\p{L}/u.test(word) && !word.endsWith("."));
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : undefined];
  return letters.map((word) => (word === undefined ? "" : ([...word][0] ?? ""))).join("").toUpperCase();
}

function RemoteVideo({ tile, stream }: { tile: Tile; stream: MediaStream }): JSX.Element {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (video === null) return;
    video.srcObject = stream;
    void video.play().catch(() => undefined); // muted: never refused for the sake of sound
    const shape = (): void => {
      video.dataset["shape"] = video.videoHeight > video.videoWidth ? "tall" : "wide";
    };
    video.addEventListener("resize", shape);
    return () => {
      video.removeEventListener("resize", shape);
      video.srcObject = null;
    };
  }, [stream]);
  const name = tile.participant.name;
  return (
    <video
      ref={element}
      class={tile.source === "screen" ? "tile__video tile__video--screen" : "tile__video"}
      data-testid="remote-video"
      data-participant={tile.participant.id}
      data-source={tile.source}
      aria-label={tile.source === "screen" ? t("call.tile.screen", { name }) : t("call.tile.camera", { name })}
      muted
      playsInline
      autoPlay
    />
  );
}

function RemoteTile({ tile, streams }: { tile: Tile; streams: RemoteStreams | null }): JSX.Element {
  const { participant, source } = tile;
  const stream = streams === null ? null : source === "screen" ? streams.screen : streams.camera;
  const gone = participant.presence === "reconnecting";
  return (
    <li
      class={["tile", source === "screen" ? "tile--screen" : "", gone ? "tile--gone" : ""].filter(Boolean).join(" ")}
      data-testid="tile"
      data-participant={participant.id}
      data-source={source}
    >
      {tile.picture && stream !== null ? (
        <RemoteVideo tile={tile} stream={stream} />
      ) : (
        !gone && (
          <span class="tile__initials" aria-hidden="true">
            {initials(participant.name) || <Icon name="person" size={40} />}
          </span>
        )
      )}
      {gone && (
        <div class="tile__gone" role="status">
          <span class="spinner" aria-hidden="true" />
          {t("call.connection.reconnecting")}
        </div>
      )}
      <div class="tile__name">
        {source === "camera" && !participant.microphone && (
          <>
            <Icon name="microphone-off" size={16} />
            <span class="quietly">{t("call.tile.muted")}: </span>
          </>
        )}
        <span>{source === "screen" ? t("call.tile.screen", { name: participant.name }) : participant.name}</span>
      </div>
    </li>
  );
}

/** In the corner when there is one other person, a tile among the others when there are more. */
function SelfView({ view, name, among }: { view: LocalView; name: string; among: boolean }): JSX.Element {
  const video = useTrack(view.cameraTrack);
  const on = view.camera.kind === "on";
  const Box = among ? "li" : "div";
  return (
    <Box class={among ? "tile" : "selfview"} data-testid="self-view" data-camera={view.camera.kind}>
      <video
        ref={video}
        class={view.mirrored ? "tile__video tile__video--mirrored" : "tile__video"}
        hidden={!on}
        data-testid="self-video"
        aria-label={t("call.self.label")}
        muted
        playsInline
        autoPlay
      />
      {!on && (
        <span class={among ? "tile__initials" : "tile__initials tile__initials--small"} aria-hidden="true">
          {initials(name) || <Icon name="camera-off" size={24} />}
        </span>
      )}
      <div class="tile__name">
        {view.microphone.kind !== "on" && (
          <>
            <Icon name="microphone-off" size={14} />
            <span class="quietly">{t("call.tile.muted")}: </span>
          </>
        )}
        <span>{t("call.you")}</span>
        {!on && <span class="quietly">, {t("call.tile.camera_off")}</span>}
      </div>
    </Box>
  );
}

export interface TilesProps {
  state: CallState;
  view: LocalView;
  name: string;
  waitingCount: number;
  streamsOf: (slot: number | null) => RemoteStreams | null;
}

export function Tiles({ state, view, name, waitingCount, streamsOf }: TilesProps): JSX.Element {
  const shown = tiles(state);
  const sharing = shown.some((tile) => tile.source === "screen");
  const among = shown.length > 1;
  return (
    <section class="stage" aria-label={t("call.stage")}>
      {shown.length === 0 ? (
        <div class="stage__alone">
          <Icon name="people" size={40} />
          <p class="stage__alone-title">{t("call.alone.title")}</p>
          <p>{waitingCount > 0 ? t("call.alone.waiting", { count: waitingCount }) : t("call.alone.text")}</p>
        </div>
      ) : (
        <ul class={sharing ? "tiles tiles--screen" : "tiles"} data-count={shown.length + (among ? 1 : 0)}>
          {shown.map((tile) => (
            <RemoteTile key={tile.key} tile={tile} streams={streamsOf(tile.slot)} />
          ))}
          {among && <SelfView key="self" view={view} name={name} among />}
        </ul>
      )}
      {!among && <SelfView view={view} name={name} among={false} />}
    </section>
  );
}
