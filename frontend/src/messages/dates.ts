// Dates, durations and sizes in the person's own language and time zone. Times arrive as RFC 3339 UTC.
import { locale, t } from ".";

function dateTimeFormat(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(locale(), options);
}

/** "14:05" or "2:05 PM". */
export function formatTime(at: string): string {
  return dateTimeFormat({ hour: "numeric", minute: "2-digit" }).format(new Date(at));
}

/** "12 March 2026, 14:05". */
export function formatDateTime(at: string): string {
  return dateTimeFormat({ dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

/** To the second, for the audit log. */
export function formatExact(at: string): string {
  return dateTimeFormat({ dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

/** "12 March 2026". */
export function formatDate(at: string): string {
  return dateTimeFormat({ dateStyle: "long" }).format(new Date(at));
}

/** "12 Mar 2026". */
export function formatShortDate(at: string): string {
  return dateTimeFormat({ dateStyle: "medium" }).format(new Date(at));
}

/** A calendar date without a time zone (`YYYY-MM-DD`), as a birth date is. */
export function formatCalendarDate(date: string): string {
  return dateTimeFormat({ dateStyle: "long", timeZone: "UTC" }).format(new Date(`${date}T00:00:00Z`));
}

/** Whole days from `now`'s day to `at`'s day, in the browser's time zone. */
export function daysFromToday(at: string, now: Date): number {
  const then = new Date(at);
  const midnight = (d: Date): number => Date.UTC(d.getFullYear(), d.getMonth(), d.getDate());
  return Math.round((midnight(then) - midnight(now)) / 86_400_000);
}

/** "Today", "Tomorrow", "Yesterday", else the weekday and date, with the year unless it is this one. */
export function formatDay(at: string, now = new Date()): string {
  const then = new Date(at);
  switch (daysFromToday(at, now)) {
    case 0:
      return t("time.today");
    case 1:
      return t("time.tomorrow");
    case -1:
      return t("time.yesterday");
    default:
      return dateTimeFormat({
        weekday: "short",
        day: "numeric",
        month: "short",
        ...(then.getFullYear() === now.getFullYear() ? {} : { year: "numeric" }),
      }).format(then);
  }
}

/** "Today, 14:05", standing alone. */
export function formatMoment(at: string): string {
  return `${formatDay(at)}, ${formatTime(at)}`;
}

/** "today, 14:05", within a sentence. */
export function formatMomentInline(at: string): string {
  const day = formatDay(at);
  const named = Math.abs(daysFromToday(at, new Date())) <= 1;
  return `${named ? day.toLocaleLowerCase(locale()) : day}, ${formatTime(at)}`;
}

/** Milliseconds as "4:07" or "1:04:07". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Bytes as "14 MB". */
export function formatBytes(bytes: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(locale(), {
    style: "unit",
    unit: units[unit] ?? "byte",
    unitDisplay: unit === 0 ? "long" : "short",
    maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0,
  }).format(value);
}

/** A language's own name in the reader's language ("Spanish" for `es`). */
export function languageName(tag: string): string {
  try {
    return new Intl.DisplayNames(locale(), { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
