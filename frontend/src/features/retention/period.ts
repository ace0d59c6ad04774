// A number of days in the words a person would use. Pure.
import { t } from "../../messages";

/** "7 years" for whole years of 365 days (leap days forgiven), else "90 days". */
export function periodText(days: number): string {
  const years = Math.round(days / 365.25);
  const whole = years >= 1 && Math.abs(days - years * 365.25) <= years * 0.25 + 1;
  return whole ? t("retention.years", { count: years }) : t("retention.days", { count: days });
}
