// The icon set: 24×24 line drawings of one weight. Icons are decoration; the words beside them (or a label) carry the meaning.
import type { JSX } from "preact";

const PATHS = {
  "alert": "M12 8.5v4.5M12 16.5v.01M10.3 4.3 2.9 17.2A2 2 0 0 0 4.6 20h14.8a2 2 0 0 0 1.7-2.8L13.7 4.3a2 2 0 0 0-3.4 0z",
  "arrow-left": "M19 12H5M11 18l-6-6 6-6",
  "back-10": "M4 5v5h5M4.6 10A8 8 0 1 1 4 13.5M9.2 11.5 10.5 11v5M13.2 13.5c0-3.3 3.4-3.3 3.4 0s-3.4 3.3-3.4 0z",
  "calendar": "M5 6h14a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1zM4 10.5h16M8.5 3.5V8M15.5 3.5V8",
  "camera": "M4 7h9.5A1.5 1.5 0 0 1 15 8.5v7a1.5 1.5 0 0 1-1.5 1.5H4a1.5 1.5 0 0 1-1.5-1.5v-7A1.5 1.5 0 0 1 4 7zM15 11l6-3.5v9L15 13",
  "camera-off": "M3 3l18 18M10.5 7h3A1.5 1.5 0 0 1 15 8.5V11l6-3.5v9L17 14.2M15 15.5a1.5 1.5 0 0 1-1.5 1.5H4a1.5 1.5 0 0 1-1.5-1.5v-7A1.5 1.5 0 0 1 4 7h2",
  "camera-switch": "M9 5l1.2-1.5h3.6L15 5h4a1.5 1.5 0 0 1 1.5 1.5v11A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5v-11A1.5 1.5 0 0 1 5 5zM8 12a4 4 0 0 1 7-2.6M15.2 7.5v2.2H13M16 12a4 4 0 0 1-7 2.6M8.8 16.5v-2.2H11",
  "chat": "M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zM8 9.5h8M8 13h5",
  "check": "M5 12.5l4.5 4.5L19 7.5",
  "chevron-down": "M6 9.5l6 6 6-6",
  "chevron-right": "M9.5 6l6 6-6 6",
  "clock": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5V12l3 2",
  "close": "M6 6l12 12M18 6L6 18",
  "copy": "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1zM5 15H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v1",
  "document": "M7 3h7l5 5v12a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM14 3v5h5M9 13h6M9 16.5h6",
  "download": "M12 4v11M7.5 11L12 15.5 16.5 11M4 20h16",
  "expand": "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  "forward-10": "M20 5v5h-5M19.4 10A8 8 0 1 0 20 13.5M7.7 11.5L9 11v5M11.7 13.5c0-3.3 3.4-3.3 3.4 0s-3.4 3.3-3.4 0z",
  "globe": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c2.5 2.4 3.8 5.5 3.8 9s-1.3 6.6-3.8 9c-2.5-2.4-3.8-5.5-3.8-9S9.5 5.4 12 3z",
  "hang-up": "M3.2 15.2c-.9-1-.9-2.9.3-4C5.8 9 8.8 8 12 8s6.2 1 8.5 3.2c1.2 1.1 1.2 3 .3 4l-.6.6a1.2 1.2 0 0 1-1.5.200l-2.3-1.4a1.2 1.2 0 0 1-.6-1v-1.7a11 11 0 0 0-7.6 0v1.7a1.2 1.2 0 0 1-.6 1L5.3 16a1.2 1.2 0 0 1-1.5-.2z",
  "headphones": "M4 15v-2.5a8 8 0 0 1 16 0V15M4 14.5h2.5a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H5.5A1.5 1.5 0 0 1 4 18.5zM20 14.5h-2.5a1 1 0 0 0-1 1V19a1 1 0 0 0 1 1h1a1.5 1.5 0 0 0 1.5-1.5z",
  "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.5M12 7.5v.01",
  "link": "M10 14a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 0 0 5.7 5.7L12 17.7",
  "lock": "M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM8 11V8a4 4 0 0 1 8 0v3",
  "menu": "M4 7h16M4 12h16M4 17h16",
  "microphone": "M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3zM5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3",
  "microphone-off": "M3 3l18 18M9 9v2.5a3 3 0 0 0 4.7 2.5M15 11.5v-5a3 3 0 0 0-5.8-1M5.5 11.5a6.5 6.5 0 0 0 10.7 5M18.5 11.5c0 .9-.2 1.8-.5 2.5M12 18v3",
  "moon": "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  "more": "M5.5 12v.01M12 12v.01M18.5 12v.01",
  "pause": "M8.5 5v14M15.5 5v14",
  "people": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M15.5 4.3a3.5 3.5 0 0 1 0 6.4M18 14.2a6.5 6.5 0 0 1 3.5 5.8",
  "person": "M12 11.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5a7.5 7.5 0 0 1 15 0",
  "play": "M7.5 4.8v14.4l11.5-7.2z",
  "plus": "M12 5v14M5 12h14",
  "record": "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  "refresh": "M20 5v5h-5M19.4 10A8 8 0 1 0 20 13.5",
  "screen": "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM8.5 20.5h7M12 13.5V8.5M9.5 10.5L12 8l2.5 2.5",
  "screen-off": "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM8.5 20.5h7M9.8 8.8l4.4 4.4M14.2 8.8l-4.4 4.4",
  "search": "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5",
  "send": "M4.5 12L3.5 4.5 21 12 3.5 19.5zM4.5 12H12",
  "settings": "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  "shield": "M12 3l7.5 2.8V11c0 4.7-3 8.3-7.5 10-4.5-1.7-7.5-5.3-7.5-10V5.8zM8.8 11.8l2.3 2.3 4.1-4.3",
  "shield-alert": "M12 3l7.5 2.8V11c0 4.7-3 8.3-7.5 10-4.5-1.7-7.5-5.3-7.5-10V5.8zM12 8v4.5M12 15.5v.01",
  "sign-out": "M14 4H6a1 1 0 0 0-1 1v14a1 1 0 0 0 1 1h8M10 12h10.5M16.5 8l4 4-4 4",
  "speaker": "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  "speaker-off": "M4 9.5h3.5L12 5.5v13l-4.5-4H4zM16 9.8l4.5 4.4M20.5 9.8L16 14.2",
  "sun": "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
} as const;

export type IconName = keyof typeof PATHS;

export interface IconProps {
  name: IconName;
  /** Pixels; 20 unless told. */
  size?: number;
  class?: string;
}

const FILLED: ReadonlySet<IconName> = new Set(["play", "hang-up"]);

export function Icon({ name, size = 20, class: className }: IconProps): JSX.Element {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={FILLED.has(name) ? "currentColor" : "none"}
      stroke="currentColor"
      stroke-width={name === "more" ? 2.6 : name === "pause" ? 3 : 1.75}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
      class={className}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
