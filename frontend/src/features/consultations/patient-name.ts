// What a consultation is called in lists and headings: by its patient, or by words that say that there is none.
import type { Consultation } from "../../api/types";
import { t } from "../../messages";
import "../../messages/staff";

export function patientName({ patient }: Pick<Consultation, "patient">): string {
  return patient?.name ?? t("patient.missing");
}
