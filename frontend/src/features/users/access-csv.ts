// The access review as a table for other programs. A cell that a spreadsheet would take for a formula is defused.
import type { AccessReview } from "../../api/types";

function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replace(/"/g, '""')}"`;
}

export function accessCsv(review: AccessReview): string {
  const head = ["username", "name", "role", "status", "last_sign_in", "signs_in_with", "operation", "reach", "policy_digest", "made_at"];
  const lines = review.users.flatMap((user) => {
    const person = [user.username, user.display_name, user.role, user.status, user.last_sign_in_at ?? "", user.signs_in_with.join(" ")];
    const may = user.may.length > 0 ? user.may : [{ operation: "", reach: "" }];
    return may.map((one) => [...person, one.operation, one.reach, review.policy_digest, review.made_at]);
  });
  return [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}
