// Everybody in a recording side by side, under one set of controls.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Playback, Presentation } from "../../api/types";
import { t } from "../../messages";
import { formatDuration } from "../../messages/dates";
import { Button, Icon, Notice } from "../../ui";
import "./recordings.css";
import { keyCommand } from "./timeline";
import { useSyncedPlayback, type Player as PlayerControls } from "./useSyncedPlayback";

const SKIP_MS = 10_000;
const SPEEDS = [0.5, 1, 1.25, 1.5, 2] as const;

function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter((word) => /^\p{L}/u.test(word) && !word.endsWith("."));
  return [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => word?.[0]?.toUpperCase() ?? "").join("");
}

function Tile({ presentation, player }: { presentation: Presentation; player: PlayerControls }): JSX.Element {
  const { name, role, source, url, has_video } = presentation;
  const label = source === "screen" ? t("playback.screen_of", { name }) : name;
  const { attach, muted } = player;
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    attach(url, ref.current);
    return () => attach(url, null);
  }, [attach, url]);
  return (
    <figure class={source === "screen" ? "tile tile--screen" : "tile"}>
      <video
        ref={ref}
        class={has_video ? "tile__media" : "quietly"}
        src={url}
        muted={muted}
        playsInline
        preload="auto"
        tabIndex={-1}
        aria-label={label}
      />
      {!has_video && (
        <div class="tile__voice" aria-hidden="true">
          <span class="tile__initials">{initials(name)}</span>
        </div>
      )}
      <figcaption class="tile__caption">
        <span class="tile__name">{label}</span>
        <span class="tile__role">
          {t(`role.${role}`)}
          {!has_video && ` · ${t("playback.audio_only")}`}
        </span>
      </figcaption>
    </figure>
  );
}

function Controls(props: { player: PlayerControls; durationMs: number; full: boolean; onFull: (() => void) | null }): JSX.Element {
  const { player, durationMs } = props;
  const position = formatDuration(player.positionMs);
  const length = formatDuration(durationMs);
  return (
    <div class="controls">
      <input
        class="controls__seek"
        type="range"
        min={0}
        max={Math.max(1, durationMs)}
        step={1000}
        value={Math.round(player.positionMs)}
        aria-label={t("playback.seek")}
        aria-valuetext={t("playback.position", { at: position, of: length })}
        onInput={(event) => player.seek(Number(event.currentTarget.value))}
      />
      <div class="controls__row">
        <div class="controls__group">
          <Button
            variant="primary"
            icon={player.playing ? "pause" : "play"}
            label={player.playing ? t("playback.pause") : t("playback.play")}
            onClick={player.toggle}
          />
          <Button variant="quiet" icon="back-10" label={t("playback.back_10")} onClick={() => player.skip(-SKIP_MS)} />
          <Button variant="quiet" icon="forward-10" label={t("playback.forward_10")} onClick={() => player.skip(SKIP_MS)} />
          <Button
            variant="quiet"
            icon={player.muted ? "speaker-off" : "speaker"}
            label={player.muted ? t("playback.unmute") : t("playback.mute")}
            onClick={player.toggleMuted}
          />
        </div>
        <p class="controls__time numbers">
          {position} <span aria-hidden="true">/</span> {length}
          {player.playing && player.waiting && <span class="controls__waiting">{t("playback.buffering")}</span>}
        </p>
        <div class="controls__group controls__group--end">
          <label class="controls__speed">
            <span class="quietly">{t("playback.speed")}</span>
            <select
              value={String(player.speed)}
              onChange={(event) => player.setSpeed(Number(event.currentTarget.value))}
            >
              {SPEEDS.map((speed) => (
                <option key={speed} value={String(speed)}>
                  {speed}×
                </option>
              ))}
            </select>
          </label>
          {props.onFull && (
            <Button
              variant="quiet"
              icon="expand"
              label={props.full ? t("playback.full_off") : t("playback.full")}
              onClick={props.onFull}
            />
          )}
        </div>
      </div>
    </div>
  );
}

export function Player({ playback, onAgain }: { playback: Playback; onAgain: () => void }): JSX.Element {
  const { presentations, duration_ms } = playback;
  const player = useSyncedPlayback(presentations, duration_ms);
  const frame = useRef<HTMLElement>(null);
  const [full, setFull] = useState(false);
  useEffect(() => {
    const changed = (): void => setFull(document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);

  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof HTMLElement ? event.target.tagName : "";
    // A button keeps its space bar; the slider and the speed keep their own keys.
    if (target === "SELECT" || (target === "BUTTON" && event.key === " ")) return;
    if (target === "INPUT" && /^(Arrow|Home|End)/.test(event.key)) return;
    const command = keyCommand(event.key);
    if (command === null) return;
    event.preventDefault();
    if (command === "toggle") player.toggle();
    else if (command === "back") player.skip(-SKIP_MS);
    else if (command === "forward") player.skip(SKIP_MS);
    else if (command === "mute") player.toggleMuted();
    else player.seek(command === "start" ? 0 : duration_ms);
  };

  if (presentations.length === 0) return <Notice>{t("playback.empty")}</Notice>;
  const layout = presentations.length === 1 ? "tiles tiles--one" : "tiles";
  return (
    <div class="stack">
      {player.failed && (
        <Notice kind="danger" title={t("playback.failed_title")}>
          <p>{t("playback.failed")}</p>
          <Button icon="refresh" onClick={onAgain}>
            {t("playback.again")}
          </Button>
        </Notice>
      )}
      <section class="player" ref={frame} aria-label={t("playback.player")} onKeyDown={onKey}>
        <div class={layout} onClick={player.toggle}>
          {presentations.map((presentation) => (
            <Tile key={presentation.url} presentation={presentation} player={player} />
          ))}
        </div>
        <Controls
          player={player}
          durationMs={duration_ms}
          full={full}
          onFull={
            document.fullscreenEnabled
              ? () => void (full ? document.exitFullscreen() : frame.current?.requestFullscreen())
              : null
          }
        />
      </section>
      <p class="faint small player__keys">
        <Icon name="info" size={16} /> {t("playback.keys")}
      </p>
    </div>
  );
}
