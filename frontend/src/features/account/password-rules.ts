// The rules for a new password as far as a page can know them; the server judges again.
export const SHORTEST_ALONE = 15;
export const SHORTEST_WITH_FACTOR = 8;

/** Characters as a person counts them, and as the server does. */
export function lengthOf(password: string): number {
  return [...password].length;
}
